"""Sections: parts of a row that only some rows have, each under a tag of its own in the changelog."""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError, UnsupportedVersionError

HEAD: Final = Struct("<BI")
"""Tag and length of what follows."""


class Section(Protocol):
    """One sort of section of one partition's rows."""

    tag: int
    """1 to 255; never given to another sort again."""

    def encode(self, rows: NDArray[np.int64]) -> Iterable[tuple[int, bytes]]:
        """Yield the place in `rows` and the bytes of each row that has this section."""

    def restore(self, rows: Sequence[int], parts: Sequence[bytes]) -> None:
        """
        Hold what `encode` wrote.

        Raises:
            ValueError: The bytes are none that `encode` writes.
        """

    def forget(self, rows: Sequence[int]) -> None:
        """Hold nothing for rows, which may have had nothing."""


def encode_sections(sections: Sequence[Section], rows: NDArray[np.int64]) -> list[bytes]:
    """Return all sections of each row, b"" for a row that has none."""
    out = [b""] * len(rows)
    for section in sections:
        for place, part in section.encode(rows):
            out[place] += HEAD.pack(section.tag, len(part)) + part
    return out


def restore_sections(sections: Sequence[Section], keys: Sequence[bytes], rows: list[int], parts: list[bytes]) -> None:
    """
    Hold what `encode_sections` wrote of rows, and nothing else.

    Raises:
        ContractError: A section cannot be read.
        UnsupportedVersionError: A newer program wrote it.
    """
    found: dict[int, tuple[list[int], list[bytes]]] = {section.tag: ([], []) for section in sections}
    for key, row, part in zip(keys, rows, parts, strict=True):
        at = 0
        while at < len(part):
            if len(part) - at < HEAD.size:
                raise ContractError(f"the changelog's row {key!r} ends within a section's head")
            tag, length = HEAD.unpack_from(part, at)
            at += HEAD.size
            if tag not in found:
                raise UnsupportedVersionError(
                    f"the changelog's row {key!r} has a section {tag}, which this program does not know: upgrade it"
                )
            if length > len(part) - at:
                raise ContractError(f"the changelog's row {key!r} ends within its section {tag}")
            found[tag][0].append(row)
            found[tag][1].append(part[at : at + length])
            at += length
    for section in sections:
        section.forget(rows)
        held, texts = found[section.tag]
        if held:
            try:
                section.restore(held, texts)
            except ValueError as exc:
                raise ContractError(f"section {section.tag} of the changelog cannot be read: {exc}") from exc

"""Sections: parts of a row that only some rows have, each under a tag of its own in the changelog."""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError, UnsupportedVersionError
from pipeline.state.packed import Packed

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


def restore_sections(sections: Sequence[Section], keys: Packed, rows: list[int], parts: Packed) -> None:
    """
    Hold what `encode_sections` wrote of rows.

    Raises:
        ContractError: A section cannot be read.
        UnsupportedVersionError: A newer program wrote it.
    """
    found: dict[int, tuple[list[int], list[bytes]]] = {section.tag: ([], []) for section in sections}
    text = parts.text
    for place, (row, start, end) in enumerate(zip(rows, parts.starts.tolist(), parts.ends.tolist(), strict=True)):
        at = start
        while at < end:
            if end - at < HEAD.size:
                raise ContractError(f"the changelog's row {keys[place]!r} ends within a section's head")
            tag, length = HEAD.unpack_from(text, at)
            at += HEAD.size
            if tag not in found:
                raise UnsupportedVersionError(
                    f"the changelog's row {keys[place]!r} has a section {tag}, which this program does not know: "
                    "upgrade it"
                )
            if length > end - at:
                raise ContractError(f"the changelog's row {keys[place]!r} ends within its section {tag}")
            found[tag][0].append(row)
            found[tag][1].append(text[at : at + length])
            at += length
    for section in sections:
        held, texts = found[section.tag]
        if held:
            try:
                section.restore(held, texts)
            except ValueError as exc:
                raise ContractError(f"section {section.tag} of the changelog cannot be read: {exc}") from exc

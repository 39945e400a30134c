"""Rows that an earlier version wrote, as today's would have written them."""

from typing import Final

import numpy as np

from pipeline.errors import ContractError
from pipeline.state.codec import HEADER, LARGE, VERSION, check_version, header
from pipeline.state.lines import lines_of_1
from pipeline.state.packed import Packed
from pipeline.state.profiles import Profiles
from pipeline.state.sections import HEAD
from pipeline.state.sources import SOURCES

_SAME_ROWS: Final = 2
"""The first version with today's rows."""

_SOURCES_AT: Final = 3
"""Where a row says of how many sources its positions are."""


def upgraded(keys: Packed, values: Packed) -> Packed:
    """
    Return rows in today's version: themselves, if all of them are.

    Raises:
        ContractError: A row cannot be read.
        UnsupportedVersionError: A newer program wrote it.
    """
    first = values.buffer[values.starts]
    sources = values.buffer[np.minimum(values.starts + _SOURCES_AT, values.ends)]
    if ((first >= _SAME_ROWS) & (first <= VERSION) & (sources == len(SOURCES)) & (values.lengths > _SOURCES_AT)).all():
        return values
    return Packed.of([_upgraded_row(key or b"", value or b"") for key, value in zip(keys, values, strict=True)])


def _upgraded_row(key: bytes, value: bytes) -> bytes:
    """
    Return a row in today's version.

    The digests of actors were other ones (XXH3) in version 1: who engages again within 90 days counts once more.
    """
    version, sources = check_version(key, value)
    if (version, sources) == (VERSION, len(SOURCES)):
        return value
    layout = header(version, sources)
    size = layout.itemsize
    if len(value) < size:
        raise ContractError(f"the changelog's row {key!r} is cut off after {len(value)} bytes")
    old = np.frombuffer(value, layout, 1)
    new = np.zeros(1, HEADER)
    for name in layout.names or ():
        if name == "positions":
            new[name][0, :sources] = old[name]
        elif name != "profile":
            new[name] = old[name]
    new["version"], new["sources"] = VERSION, len(SOURCES)
    if version > 1:
        return new.tobytes() + value[size:]
    profile, body, text = (int(old[name][0]) for name in ("profile", "body", "text"))
    if size + profile + body + text != len(value):
        raise ContractError(
            f"the changelog's row {key!r} says {size + profile + body + text} bytes in its header and has {len(value)}"
        )
    sections = HEAD.pack(Profiles.tag, profile) + value[size : size + profile] if profile else b""
    start, end = size + profile, size + profile + body
    lines = value[end:] if old["tier"][0] == LARGE else lines_of_1(value[end:])
    new["text"], new["sections"] = len(lines), len(sections)
    return new.tobytes() + value[start:end] + lines + sections

"""Spikes: to the stream that subscribers wait for, each record once, also after a crash that repeats it."""

from typing import Final, Literal

import msgspec

from pipeline.lookup.scripts import Script
from pipeline.lookup.sink.outlet import Outlet, Record, Write

_CLOSED: Final = 100
"""The place of the last record of a spike, beyond any level."""


class _Head(msgspec.Struct, gc=False):
    """What the sink must know of a spike."""

    id: str
    user: str
    status: Literal["open", "grown", "closed"]
    began: int
    level: int
    version: int


_decode = msgspec.json.Decoder(_Head).decode


def spike_write(record: Record) -> Write:
    """
    Return what the script takes of a record of `clout.spikes`.

    Raises:
        msgspec.DecodeError: The value is no spike.
    """
    head = _decode(record.value or b"")
    place = _CLOSED if head.status == "closed" else head.level
    return Write(f"{head.id} {place}", head.version, (head.user, head.began, place, record.value or b""))


SPIKES: Final = Outlet("spikes", spike_write, Script("apply_spikes", "reach"), per_call=200)

"""Where each record goes: its topic, its partition, its bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from agents.protocol import Record, Unlink
from pipeline.partitioner import partitions_of
from pipeline.settings import Settings
from pipeline.topics import ENGAGEMENT_TOPICS
from schemas import KINDS, Engagement, Identity, Post, Profile, Tick

_TOPICS: Final = (*ENGAGEMENT_TOPICS, "posts", "profiles", "identities")
_KIND: Final = {kind: index for index, kind in enumerate(KINDS)}
_POSTS: Final = len(KINDS)
_PROFILES: Final = _POSTS + 1
_IDENTITIES: Final = _POSTS + 2

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Chunk:
    """Encoded records for one partition, in their order."""

    topic: str
    """Without the deployment's prefix."""
    partition: int
    keys: list[bytes | None]
    values: list[bytes | None]
    """None is a tombstone."""


class Routes:
    """The way of each record into the log, for one deployment."""

    def __init__(self, settings: Settings) -> None:
        self._partitions = settings.partitions

    def route(self, records: Sequence[Record]) -> list[Chunk]:
        """Encode the records and group them by partition, each group in the order given."""
        if not records:
            return []
        ways = [_way(record) for record in records]
        keys = [key.encode() for _, key in ways]
        values = [None if type(record) is Unlink else _encode(record) for record in records]
        lanes = np.array([topic for topic, _ in ways]) * self._partitions + partitions_of(keys, self._partitions)
        order = np.argsort(lanes, kind="stable")
        starts = np.flatnonzero(np.diff(lanes[order], prepend=-1))
        return [
            self._chunk(int(lanes[group[0]]), group.tolist(), keys, values) for group in np.split(order, starts[1:])
        ]

    def _chunk(self, lane: int, rows: list[int], keys: list[bytes], values: list[bytes | None]) -> Chunk:
        topic, partition = divmod(lane, self._partitions)
        return Chunk(_TOPICS[topic], partition, [keys[row] for row in rows], [values[row] for row in rows])

    def tick(self, tick: Tick) -> list[Chunk]:
        """Return a tick for every partition."""
        value = _encode(tick)
        return [Chunk("ticks", partition, [None], [value]) for partition in range(self._partitions)]


def _way(record: Record) -> tuple[int, str]:
    if type(record) is Engagement:
        return _KIND[record.kind], record.target
    if type(record) is Post:
        return _POSTS, record.author
    if type(record) is Profile:
        return _PROFILES, record.user
    assert isinstance(record, Identity | Unlink)
    return _IDENTITIES, record.account

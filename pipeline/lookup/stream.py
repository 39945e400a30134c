"""A stream in Redis, of changes or of spikes: reading on from an id without a silent gap."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from pipeline.lookup.change import decode_change
from schemas import Change

START: Final = "0-0"
PAGE: Final = 500
_ID = re.compile(r"(\d{1,20})-(\d{1,20})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: str
    kind: Literal["change", "gone", "spike", "reset"]
    data: bytes
    """JSON for subscribers: a `Change`, `{"user"}`, a `Spike` or `{"reason"}`."""
    user: str = ""
    """Empty for a reset."""
    subject: str = ""
    """The user of a change, the id of a spike: only the newest entry of a subject waits for a slow client."""
    networks: Sequence[str] = ()
    change: Change | None = None
    was: float | None = None
    """The score that a change replaced in the leaderboard; None for a new user."""


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive entries behind an id, or the fact that some are lost."""

    entries: list[Entry]
    last: str
    """The last id of the whole stream."""
    lost: bool
    """Entries behind the id were trimmed, or the stream is another one than that of the id."""


class _SpikeHead(msgspec.Struct, gc=False):
    id: str
    user: str
    network: str


_decode_spike = msgspec.json.Decoder(_SpikeHead).decode


def order(entry_id: str) -> tuple[int, int]:
    """
    Return an id as numbers that can be compared.

    Raises:
        ValueError: It is no id of a stream.
    """
    match = _ID.match(entry_id)
    if match is None:
        raise ValueError(f"no id of an event: {entry_id[:50]!r}; expected digits-digits")
    return int(match[1]), int(match[2])


class Stream:
    """Reads `clout:changes` or `clout:spikes`."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    async def last(self) -> str:
        """Return the id of the newest entry, `START` when there never was one."""
        return (await self.page(START, limit=1)).last

    async def page(self, after: str, limit: int = PAGE) -> Page:
        """Return up to `limit` entries behind `after`, and whether any behind it are lost."""
        async with self._redis.pipeline(transaction=True) as pipe:
            self.queue(pipe, after, limit)
            info, found = await pipe.execute(raise_on_error=False)
        return self.read(info, found, after)

    def queue(self, pipe: Pipeline, after: str, limit: int) -> None:
        """Ask for a page within a transaction: two answers, for `read`."""
        pipe.execute_command("XINFO", "STREAM", self._key)
        pipe.xrange(self._key, f"({after}", "+", count=limit)

    def read(self, info: Any, found: Any, after: str) -> Page:
        """Return the page of the two answers to `queue`."""
        if isinstance(info, ResponseError):
            # No such stream: a reader who had an id has lost it, the others have missed nothing.
            return Page([], START, lost=after != START)
        for answer in (info, found):
            if isinstance(answer, Exception):
                raise answer
        return Page(_entries(found), *_last_and_lost(info, after))

    async def wait(self, after: str, wait_ms: int, limit: int = PAGE) -> list[Entry]:
        """Return up to `limit` entries behind `after`, waiting for the first; empty after `wait_ms`."""
        found = await cast("Any", self._redis.xread({self._key: after}, count=limit, block=wait_ms))
        return _entries(found[0][1]) if found else []


def _last_and_lost(info: list[Any], after: str) -> tuple[str, bool]:
    values = dict(zip(info[::2], info[1::2], strict=True))
    last: str = values[b"last-generated-id"].decode()
    if after == START:
        return last, False
    first = values[b"first-entry"]
    oldest: str = first[0].decode() if first else last
    # A stream that still has its very first entry was trimmed of nothing. (Absent before Redis 7: then assume so.)
    trimmed = values.get(b"entries-added") != values[b"length"]
    return last, order(after) > order(last) or (trimmed and order(after) < order(oldest))


def _entries(found: list[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    return [_entry(entry_id.decode(), fields) for entry_id, fields in found]


def _entry(entry_id: str, fields: dict[bytes, bytes]) -> Entry:
    if data := fields.get(b"change"):
        change = decode_change(data)
        was = fields.get(b"was")
        return Entry(
            entry_id,
            "change",
            data,
            change.user,
            change.user,
            change.networks,
            change,
            None if was is None else float(was),
        )
    if data := fields.get(b"spike"):
        spike = _decode_spike(data)
        return Entry(entry_id, "spike", data, spike.user, spike.id, (spike.network,))
    if gone := fields.get(b"gone"):
        user = gone.decode()
        return Entry(entry_id, "gone", msgspec.json.encode({"user": user}), user, user)
    return reset(entry_id, fields.get(b"reset", b"unknown").decode())


def reset(entry_id: str, reason: str) -> Entry:
    """Return the entry that tells a subscriber to look everything up anew."""
    return Entry(entry_id, "reset", msgspec.json.encode({"reason": reason}))

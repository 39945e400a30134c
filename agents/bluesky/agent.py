"""The agent `bluesky`: everything that happens there, live, from any of several Jetstream servers."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.bluesky.endpoint import Endpoint, find
from agents.bluesky.frames import Frame, NotAFrameError, ServerError, decode
from agents.bluesky.records import read
from agents.bounded import trim
from agents.plausible import REASON, plausible
from agents.protocol import Batch, Position
from agents.websocket import messages, opened
from pipeline.clock import Clock, system_clock
from pipeline.errors import SourceUnavailableError
from pipeline.logs import get_logger

HOSTS: Final = tuple(f"wss://jetstream{n}.us-{side}.bsky.network" for side in ("east", "west") for n in (1, 2))
_REWIND_US: Final = 5_000_000
"""Servers see an event at slightly different times: what they say within this time is heard again."""
_REMEMBERED: Final = 100_000
"""Events that are recognised when they come again: the rewind at ten times the usual rate."""
_SILENCE_S: Final = 20.0
"""The network is never silent for so long; the server is."""
_GAP_US: Final = 60_000_000
"""A first event so long after the cursor means that the server did not keep all that was missed."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BlueskyConfig:
    """Where to listen."""

    hosts: Sequence[str] = HOSTS
    """Addresses of servers, ws:// or wss://, without a path; the next one is tried when one fails."""


class Bluesky:
    """Listens to one server at a time; the position is a time, which all servers understand."""

    name = "bluesky"
    live = True

    def __init__(self, config: BlueskyConfig, *, clock: Clock = system_clock) -> None:
        self._hosts = config.hosts
        self._turn = 0
        self._clock = clock
        self._seen: dict[str, None] = {}
        self._reached = 0
        """The latest time heard of, Unix microseconds."""
        self._asked = 0
        """The time from which on a server was asked to tell, until it has begun."""

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """
        Yield what a server says, from a little before `position` on; without one, from now on.

        Raises:
            SourceUnavailableError: The server does not answer, or is silent; the next call tries another.
        """
        host = self._hosts[self._turn % len(self._hosts)]
        self._turn += 1
        self._reached = self._asked = int(position["time_us"]) if position else 0
        endpoint = await find(host)
        url = endpoint.url(self._reached - _REWIND_US if position else None)
        async with opened(url, hint="this server serves only whom it knows") as socket:
            log.info("listening", server=host, version=endpoint.version, compressed=endpoint.dictionary is not None)
            async for arrived in messages(socket, _SILENCE_S):
                yield self._batch(endpoint, arrived)

    def _batch(self, endpoint: Endpoint, arrived: Sequence[bytes | str]) -> Batch:
        batch = Batch(read=len(arrived))
        now = self._clock()
        for message in arrived:
            try:
                frame = decode(endpoint.unpack(message))
                self._add(frame, batch, now)
            except ServerError as exc:
                raise SourceUnavailableError(f"the server ends the connection: {exc}") from exc
            except (NotAFrameError, msgspec.MsgspecError, UnicodeError, RecursionError):
                batch.skip("malformed")
        trim(self._seen, _REMEMBERED)
        if self._reached:
            batch.position = {"time_us": self._reached}
        return batch

    def _add(self, frame: Frame, batch: Batch, now: int) -> None:
        if frame.kind == "info":
            log.warning("the server says", note=frame.note)
            batch.skip("info")
            return
        time = frame.time_us // 1000
        if not plausible(time, now):
            batch.skip(REASON)
            return
        self._look_for_gap(frame.time_us)
        self._reached = max(self._reached, frame.time_us)
        batch.time = max(time, batch.time or 0)
        if self._is_repeated(frame):
            batch.skip("repeated")
            return
        fate = read(frame, time)
        if isinstance(fate, str):
            batch.skip(fate)
        else:
            batch.items.extend(fate)

    def _look_for_gap(self, time_us: int) -> None:
        if self._asked and time_us > self._asked + _GAP_US:
            missing = (time_us - self._asked) // 1_000_000
            log.warning("the server did not keep all that was missed", missing_s=missing, hint="another host may")
        self._asked = 0

    def _is_repeated(self, frame: Frame) -> bool:
        commit = frame.commit
        key = (
            f"{frame.did}/{commit.collection}/{commit.rkey}/{commit.rev}/{commit.operation}"
            if commit
            else f"{frame.did}/{frame.kind}/{frame.time_us}"
        )
        if key in self._seen:
            return True
        self._seen[key] = None
        return False

"""The agent `nostr`: what people say at several relays at once, each event once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from agents.bounded import trim
from agents.inbox import Inbox
from agents.nostr.events import Event, is_signed
from agents.nostr.follows import Follows
from agents.nostr.records import KINDS, read
from agents.plausible import REASON, plausible
from agents.protocol import Batch, Item, Position
from agents.reading import read as read_again
from agents.websocket import messages, opened
from pipeline.clock import Clock, system_clock
from pipeline.logs import get_logger

RELAYS: Final = ("wss://relay.damus.io", "wss://nos.lol", "wss://relay.primal.net")
_REWIND_S: Final = 120
"""Authors' clocks differ, and relays hear of an event at different times."""
_SILENCE_S: Final = 300.0
_REMEMBERED: Final = 200_000
"""Events that are recognised when another relay has them too."""

log = get_logger(__name__)
_message = msgspec.json.Decoder(list[msgspec.Raw]).decode
_event = msgspec.json.Decoder(Event).decode
_text = msgspec.json.Decoder(str).decode


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a relay."""

    relay: str
    at: int
    """Unix s."""
    message: bytes | str

    def __len__(self) -> int:
        """Return its length."""
        return len(self.message)


class Relay:
    """One relay, as an agent of its own: what it says goes into the inbox of all."""

    live = True

    def __init__(self, url: str, inbox: Inbox[Heard], clock: Clock) -> None:
        self.name = url
        self._inbox = inbox
        self._clock = clock

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """
        Fill the inbox; yields empty batches, with the place in this relay.

        Raises:
            SourceUnavailableError: The relay does not answer.
        """
        wanted: dict[str, object] = {"kinds": KINDS}
        since = int(position[self.name]) if position and self.name in position else self._clock() // 1_000
        wanted["since"] = since - _REWIND_S
        async with opened(self.name, hint="this relay serves its members only: leave it out") as socket:
            await socket.send(msgspec.json.encode(["REQ", "clout", wanted]).decode())
            log.info("listening", relay=self.name)
            async for arrived in messages(socket, _SILENCE_S):
                at = self._clock() // 1_000
                for message in arrived:
                    await self._inbox.put(Heard(self.name, at, message))
                yield Batch(read=len(arrived), position={self.name: at})


class Nostr:
    """Listens to all relays; the position is when each was last heard."""

    name = "nostr"
    live = True

    def __init__(self, relays: Sequence[str], follows: Follows, *, clock: Clock = system_clock) -> None:
        self._relays = relays
        self._follows = follows
        self._clock = clock
        self._seen: dict[str, None] = {}
        self._position: Position = {}

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """Yield what any relay says; one that is away is asked again, and holds up no other."""
        self._position = dict(position or {})
        inbox: Inbox[Heard] = Inbox()
        tasks = [asyncio.create_task(_drain(Relay(url, inbox, self._clock), position, inbox)) for url in self._relays]
        try:
            while True:
                yield self._batch(await inbox.take())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _batch(self, arrived: Sequence[Heard]) -> Batch:
        batch = Batch(read=len(arrived))
        now = self._clock()
        for heard in arrived:
            self._position[heard.relay] = heard.at
            try:
                fate = self._read(heard, batch, now)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                fate = "malformed"
            if isinstance(fate, str):
                batch.skip(fate)
            else:
                batch.items.extend(fate)
        trim(self._seen, _REMEMBERED)
        batch.position = dict(self._position)
        batch.settled = partial(self._follows.table.settle, self._follows.table.take())
        return batch

    def _read(self, heard: Heard, batch: Batch, now: int) -> list[Item] | str:
        message = _message(heard.message)
        label = _text(message[0]) if message else ""
        if label != "EVENT" or len(message) < 3:
            if label in {"NOTICE", "CLOSED"}:
                log.warning("the relay says", relay=heard.relay, said=str(heard.message)[:200])
            return "notice" if label in {"NOTICE", "CLOSED", "EOSE", "AUTH", "OK"} else "malformed"
        event = _event(message[2])
        if event.id in self._seen:
            return "repeated"
        if not is_signed(event):
            return "bad_signature"
        self._seen[event.id] = None
        time = event.created_at * 1_000
        if not plausible(time, now):
            return REASON
        batch.time = max(time, batch.time or 0)
        return self._follows.read(event, time) if event.kind == 3 else read(event, time)


async def _drain(relay: Relay, position: Position | None, inbox: Inbox[Heard]) -> None:
    try:
        async for _ in read_again(relay, position):
            pass
    except Exception as exc:
        inbox.end(exc)
        raise

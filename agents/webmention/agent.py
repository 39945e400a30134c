"""The agent `webmention`: other sites POST that they link to ours; 202 once that is on disk, then they are asked."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from agents.deliveries import Deliveries
from agents.fetching import Fetcher
from agents.protocol import Batch, Position
from agents.receiver import Answer, Request, serving
from agents.webmention.addresses import host_of, is_same, without_fragment
from agents.webmention.ledger import Ledger, Outcome, Waiting
from agents.webmention.verifying import LaterError, verify
from pipeline.clock import Clock, system_clock
from pipeline.errors import ConfigError
from pipeline.logs import get_logger

_AT_ONCE: Final = 16
"""Sources that are fetched, or wait for the broker, together."""
_LONGEST: Final = 2_048
"""Characters of an address."""
_POLL_S: Final = 1.0
"""How often what was postponed is looked for."""
_PAUSES_MS: Final = tuple(minutes * 60_000 for minutes in (1, 5, 30, 180, 1_440))
"""A source that does not answer is asked again after these; then it is given up."""

log = get_logger(__name__)


class Webmentions:
    """Receives for one's own sites."""

    name = "webmention"
    live = True

    def __init__(
        self,
        sites: Collection[str],
        host: str,
        port: int,
        fetcher: Fetcher,
        ledger: Ledger,
        *,
        clock: Clock = system_clock,
    ) -> None:
        """
        Receive at an address.

        Args:
            sites: https://host of each site whose pages may be mentioned.
            host: Where to listen.
            port: Where to listen.
            fetcher: Asks the sources; closed at the end.
            ledger: What was mentioned.
            clock: The wall clock, Unix ms.

        Raises:
            ConfigError: There is no site, or one is no address.
        """
        self._hosts = {site: host_of(site) for site in sites}
        if not self._hosts or not all(self._hosts.values()):
            raise ConfigError("name the sites whose mentions are taken: --site https://example.org, as often as needed")
        self._host, self._port = host, port
        self._fetcher = fetcher
        self._ledger = ledger
        self._clock = clock
        self._deliveries = Deliveries()
        self._busy: set[tuple[str, str]] = set()
        self._told = asyncio.Event()

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:  # noqa: ARG002 - the ledger keeps it
        """Yield what is verified."""
        work = asyncio.create_task(self._work())
        work.add_done_callback(self._ended)
        try:
            async with serving(self._host, self._port, self.answer):
                log.info("receiving", url=f"http://{self._host}:{self._port}/webmention", sites=sorted(self._hosts))
                async for batch in self._deliveries.batches():
                    yield batch
        finally:
            work.cancel()
            await self._fetcher.close()

    async def answer(self, request: Request) -> Answer:
        """Answer a request; whatever it is, its fate is counted."""
        if request.path.rstrip("/") != "/webmention":
            return Answer(404, b"webmentions are POSTed to /webmention\n")
        if request.method != "POST":
            return Answer(405, b"POST only: source and target as a form\n")
        source, target = _form(request)
        problem = self._problem(source, target)
        if problem:
            return await self._deliveries.refused(problem, request, Answer(400, f"{problem}\n".encode()))
        if not self._ledger.receive(source, target, host_of(source), self._clock()):
            return await self._deliveries.refused(
                "too_many", request, Answer(429, b"too many wait: come again later\n")
            )
        self._told.set()
        return Answer(202, b"received: the source will be asked\n")

    def _problem(self, source: str, target: str) -> str:
        if max(len(source), len(target)) > _LONGEST or not host_of(source) or not host_of(target):
            return "no_address"
        if host_of(target) not in self._hosts.values():
            return "not_our_site"
        return "self" if is_same(without_fragment(source), without_fragment(target)) else ""

    async def _work(self) -> None:
        """Look after what waits, a bounded number at once."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._told.clear()
                for waiting in self._ledger.due(self._clock(), _AT_ONCE):
                    pair = (waiting.source, waiting.target)
                    if pair not in self._busy:
                        self._busy.add(pair)
                        group.create_task(self._look(waiting))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), _POLL_S)

    async def _look(self, waiting: Waiting) -> None:
        held = self._ledger.held(waiting.source, waiting.target)
        batch = Batch(read=1, time=self._clock())
        try:
            verdict = await verify(waiting, held, self._fetcher, self._clock())
        except LaterError as exc:
            if waiting.tries < len(_PAUSES_MS):
                log.info("a source does not answer: it is asked again", reason=str(exc), tries=waiting.tries + 1)
                self._ledger.postpone(waiting, self._clock() + _PAUSES_MS[waiting.tries])
                self._busy.discard((waiting.source, waiting.target))
                return
            batch.skip("source_unavailable")
            outcome = Outcome(waiting, None)
        else:
            if verdict.reason:
                batch.skip(verdict.reason)
            batch.items.extend(verdict.items)
            outcome = Outcome(waiting, verdict.held)
        batch.settled = partial(self._settle, outcome)
        await self._deliveries.add(batch)

    def _settle(self, outcome: Outcome) -> None:
        self._ledger.settle([outcome])
        self._busy.discard((outcome.waiting.source, outcome.waiting.target))
        self._told.set()

    def _ended(self, work: "asyncio.Task[None]") -> None:
        if not work.cancelled() and (failure := work.exception()) is not None:
            self._deliveries.end(failure if isinstance(failure, Exception) else RuntimeError(str(failure)))


def _form(request: Request) -> tuple[str, str]:
    """Return source and target, or nothing where there is not one of each."""
    try:
        fields = parse_qs(request.body.decode(), max_num_fields=20)
    except ValueError:
        return "", ""
    source, target = fields.get("source", []), fields.get("target", [])
    return (source[0].strip(), target[0].strip()) if len(source) == len(target) == 1 else ("", "")

"""The publisher: encoded records into Kafka, none lost, each partition in order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from agents.connection import Connection
from agents.lane import Lane, Receipt
from agents.routes import Chunk
from pipeline.clock import Clock, system_clock
from pipeline.errors import FatalError
from pipeline.logs import get_logger
from pipeline.settings import Settings

LINGER_S: Final = 0.1
"""How long a record may wait for company: a tenth of the time that a score may take. Whoever stores and reads batches
of ten records pays for it: with half of this the broker took a third more processor time at 20,000 events/s."""
_FULL: Final = 512
"""So many waiting records make a batch worth sending at once."""
_UNACKNOWLEDGED: Final = 65_536
"""Records under way before `publish` waits: a second of a fast replay, some 30 MB."""

log = get_logger(__name__)


class Publisher:
    """
    Writes to the topics of a deployment with acks=all, and counts what was acknowledged.

    A broker that is away is waited for: records stay here, and `publish` holds its caller back.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = system_clock,
        unacknowledged: int = _UNACKNOWLEDGED,
    ) -> None:
        """
        Publish to the broker and with the topic prefix of `settings`.

        Args:
            settings: Where to, and whether producers are idempotent.
            clock: The time of each Kafka record: when it was published.
            unacknowledged: So many records may be under way.
        """
        self._prefix = settings.topic_prefix
        self._broker = settings.broker
        self._connection = Connection(settings)
        self._clock = clock
        self._limit = unacknowledged
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._failure: FatalError | None = None
        self._away = False
        self.unacknowledged = 0
        """Records accepted and not yet acknowledged."""
        self.counts: Counter[str] = Counter()
        """Records acknowledged, by topic without prefix."""
        self.on_acknowledged: Callable[[], object] | None = None
        """Called after records were acknowledged."""

    async def start(self) -> None:
        """
        Create the topics and connect; waits for as long as no broker answers.

        Raises:
            TopicMismatchError: A topic has another partition count than the settings say.
        """
        await self._connection.open()

    async def publish(self, chunks: Sequence[Chunk]) -> Receipt:
        """
        Accept records, all or none; waits while too many are under way.

        Raises:
            FatalError: The broker refuses them for good.
        """
        # Lanes run between the batches of a source that never waits.
        await asyncio.sleep(0)
        await self._until(self._limit - 1)
        receipt = Receipt(sum(len(chunk.values) for chunk in chunks))
        self.unacknowledged += receipt.remaining
        for chunk in chunks:
            lane = self._lane(chunk)
            lane.add(chunk, receipt)
            if lane.pending >= _FULL:
                lane.kick(self, _FULL, self._schedule)
        self._schedule()
        return receipt

    async def flush(self) -> None:
        """
        Wait until everything accepted is acknowledged.

        Raises:
            FatalError: The broker refuses something for good.
        """
        self._kick_all()
        await self._until(0)

    async def settled(self, receipt: Receipt) -> None:
        """
        Wait until what a receipt stands for is acknowledged.

        Raises:
            FatalError: The broker refuses something for good.
        """
        while not receipt.acknowledged:
            await self._until(max(0, self.unacknowledged - 1))

    async def stop(self) -> None:
        """Disconnect within two seconds or so. What is not acknowledged is given up: `flush` first."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))
        await self._connection.close()

    async def _until(self, unacknowledged: int) -> None:
        while self.unacknowledged > unacknowledged and self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def _lane(self, chunk: Chunk) -> Lane:
        key = (chunk.topic, chunk.partition)
        lane = self._lanes.get(key)
        if lane is None:
            name = self._prefix + chunk.topic
            lane = self._lanes[key] = Lane(name, chunk.topic, chunk.partition, self._connection, self._clock)
        return lane

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._kick_all)

    def _kick_all(self) -> None:
        # All lanes at once: their batches then travel in one request.
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for lane in self._lanes.values():
            lane.kick(self, _FULL, self._schedule)

    def acknowledged(self, topic: str, count: int) -> None:
        """Count what a lane brought into the log."""
        self.counts[topic] += count
        self.unacknowledged -= count
        self._changed.set()
        if self.on_acknowledged is not None:
            self.on_acknowledged()
        if self._away:
            self._away = False
            log.info("the broker answers again", broker=self._broker)

    def stalled(self, reason: str) -> None:
        """Say once that a lane waits for the broker."""
        if not self._away:
            self._away = True
            log.warning(
                "the broker does not answer: records wait here until it does",
                broker=self._broker,
                waiting=self.unacknowledged,
                reason=reason,
            )

    def failed(self, error: FatalError) -> None:
        """Stop accepting: a lane has given up."""
        self._failure = error
        self._changed.set()

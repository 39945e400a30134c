"""Reads scores, spikes and ticks from where the alerter stands."""

import contextlib
from typing import Any, Final

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from pipeline.errors import BrokerUnavailableError
from pipeline.kafka import client_options
from pipeline.lookup import keys
from pipeline.settings import Settings
from pipeline.topics import ensure_topics

SCORES, SPIKES, TICKS = "scores", "spikes", "ticks"
_ALIVE_MS: Final = 5_000

Fetched = list[tuple[str, list[ConsumerRecord]]]
"""Topics without prefix, and their records."""


class AlertSource:
    """One consumer without a group: the positions are in Redis, beside what follows from them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._reads_scores = True
        parts = range(settings.partitions)
        self._partitions = [TopicPartition(self._prefix + name, part) for name in (SCORES, SPIKES) for part in parts]
        # Every partition has every tick.
        self._partitions.append(TopicPartition(self._prefix + TICKS, 0))

    async def start(self) -> None:
        """Connect, trying until a broker answers."""
        async for attempt in stamina.retry_context(
            on=BrokerUnavailableError, attempts=None, timeout=None, wait_initial=0.2, wait_max=3.0
        ):
            with attempt:
                await ensure_topics(self._settings)
                consumer = AIOKafkaConsumer(
                    **client_options(self._settings),
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    fetch_max_wait_ms=self._settings.fetch_wait_ms,
                    client_id="clout-alerter",
                )
                try:
                    await consumer.start()
                except (KafkaError, OSError) as exc:
                    await consumer.stop()
                    raise BrokerUnavailableError(f"no Kafka broker answers at {self._settings.broker}") from exc
                self._consumer = consumer

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            with contextlib.suppress(KafkaError, OSError):
                await self._consumer.stop()

    async def seek(self, positions: dict[str, int]) -> list[tuple[str, int, int]]:
        """
        Go on from positions, by field; what has none is read from now on: nobody wanted to be told before.

        Returns:
            Where partitions begin, as a step wants it: to be noted at once, so that a crash does not skip what follows.
        """
        begun: list[tuple[str, int, int]] = []
        consumer = self._connected
        if not consumer.assignment():
            consumer.assign(self._partitions)
        ends = await consumer.end_offsets(self._partitions)
        for tp in self._partitions:
            held = positions.get(keys.offset_field(*tp))
            # A log that ends before it was lost and began anew.
            position = ends[tp] if held is None else min(held, ends[tp])
            consumer.seek(tp, position)
            self._positions[tp] = position
            begun.append((keys.offset_field(*tp), position if held is None else held, position))
        return begun

    async def read_scores(self, *, wanted: bool) -> None:
        """Read scores only while somebody wants them: they are the busiest topic."""
        if wanted == self._reads_scores:
            return
        self._reads_scores = wanted
        scores = [tp for tp in self._partitions if tp.topic == self._prefix + SCORES]
        if not wanted:
            self._connected.pause(*scores)
            return
        ends = await self._connected.end_offsets(scores)
        for tp in scores:
            self._connected.seek(tp, ends[tp])
        self._connected.resume(*scores)

    async def fetch(self, wait_ms: int) -> tuple[list[tuple[str, int, int]], Fetched]:
        """Return how far partitions were read, as a step wants it, and the records."""
        moved: list[tuple[str, int, int]] = []
        fetched: Fetched = []
        found: dict[TopicPartition, list[Any]] = await self._connected.getmany(timeout_ms=wait_ms)
        for tp, records in found.items():
            end = records[-1].offset + 1
            moved.append((keys.offset_field(*tp), self._positions[tp], end))
            self._positions[tp] = end
            fetched.append((tp.topic.removeprefix(self._prefix), records))
        return moved, fetched

    def is_current(self, now: int) -> bool:
        """Tell whether the broker lately said that there are no more ticks: only then is silence silence."""
        tp = self._partitions[-1]
        answered, end = self._connected.last_poll_timestamp(tp), self._connected.highwater(tp)
        return answered is not None and now - answered < _ALIVE_MS and end is not None and self._positions[tp] >= end

    @property
    def _connected(self) -> AIOKafkaConsumer:
        assert self._consumer is not None
        return self._consumer

"""Reads every partition of some topics, from wherever Redis stands."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.clock import system_clock
from pipeline.errors import BrokerUnavailableError
from pipeline.fetches import next_fetches
from pipeline.kafka import client_options, connected
from pipeline.logs import get_logger
from pipeline.lookup.sink.chunks import Batch, Range
from pipeline.lookup.sink.outlet import Outlet, Record
from pipeline.settings import Settings
from pipeline.topics import ensure_topics

log = get_logger(__name__)

_ALIVE_MS: Final = 2_000
"""A partition whose last answer is older is not known to be read to its end."""


class End(NamedTuple):
    """Where a log ended."""

    offset: int
    answered_at: int
    """When the broker said so, Unix ms."""


class Source:
    """
    One consumer without a group: the positions are the caller's, not the broker's.

    Args:
        settings: Where the broker is.
        outlets: What is read.
        wait_ms: How long the broker may hold a fetch for the first record.
    """

    def __init__(self, settings: Settings, outlets: Sequence[Outlet], wait_ms: int) -> None:
        self._settings = settings
        self._wait_ms = wait_ms
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._rewound: dict[str, int] = {}
        self._sought_at: dict[TopicPartition, int] = {}
        """When each position was chosen, Unix ms; what the broker answered before says nothing of it."""
        self.rewinds: Counter[TopicPartition] = Counter()
        """How often each log was found to begin anew."""
        self._outlets = {settings.topic_prefix + outlet.topic: outlet for outlet in outlets}
        self._partitions = [
            TopicPartition(topic, part) for topic in self._outlets for part in range(settings.partitions)
        ]

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The consumer, once `start` has returned."""
        assert self._consumer is not None
        return self._consumer

    async def start(self) -> None:
        """Connect, trying until a broker answers."""
        async for attempt in stamina.retry_context(
            on=BrokerUnavailableError, attempts=None, timeout=None, wait_initial=0.2, wait_max=3.0
        ):
            with attempt:
                await self._connect()

    async def _connect(self) -> None:
        await ensure_topics(self._settings)
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            # A log that begins later or anew is read from where it begins.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._wait_ms,
            client_id="clout-sink",
        )
        async with connected(self._settings):
            await consumer.start()
        self._consumer = consumer

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    def fields(self) -> list[str]:
        """Return the name of each partition in Redis."""
        return [self._field(partition) for partition in self._partitions]

    def _field(self, partition: TopicPartition) -> str:
        return self._outlets[partition.topic].field(*partition)

    def seek(self, positions: dict[str, int]) -> None:
        """Go on from these offsets, by name; whatever was fetched ahead is dropped."""
        if not self.consumer.assignment():
            self.consumer.assign(self._partitions)
        self._rewound.clear()
        for partition in self._partitions:
            self._go_to(partition, positions[self._field(partition)])

    def _go_to(self, partition: TopicPartition, position: int) -> None:
        self.consumer.seek(partition, position)
        self._positions[partition] = position
        self._sought_at[partition] = system_clock()

    async def fetch(self, wait_ms: int) -> Sequence[Batch]:
        """Return what has arrived, one batch per partition, after `wait_ms` at most."""
        consumer = self.consumer
        fetches = await next_fetches(consumer._fetcher, consumer.assignment(), wait_ms / 1000)  # noqa: SLF001
        found = [(partition, list(fetched.records())) for partition, fetched in fetches.items()]
        return [self._batch(partition, records) for partition, records in found if records]

    def _batch(self, partition: TopicPartition, records: Sequence[Record]) -> Batch:
        position = self._positions[partition]
        if records[0].offset < position:
            # The offset was out of range and the consumer went back to where the log begins.
            position = records[0].offset
            self._note_rewound(partition, position)
        self._positions[partition] = records[-1].offset + 1
        return Batch(self._outlets[partition.topic], partition.topic, partition.partition, position, records)

    def _note_rewound(self, partition: TopicPartition, position: int) -> None:
        self._rewound[self._field(partition)] = position
        self.rewinds[partition] += 1

    def _rewind(self, partition: TopicPartition) -> None:
        self._go_to(partition, 0)
        self._note_rewound(partition, 0)

    def ranges(self) -> list[Range]:
        """Return an empty range at the position of each partition."""
        return [Range(self._field(partition), position, position) for partition, position in self._positions.items()]

    def ends(self) -> dict[TopicPartition, int] | None:
        """Return where each log ended when it was last read, or None while that is not known of all."""
        ends = self._known_ends()
        return None if ends is None else {partition: end.offset for partition, end in ends.items()}

    def _known_ends(self) -> dict[TopicPartition, End] | None:
        ends = {partition: self._end(partition) for partition in self._partitions}
        known = {partition: end for partition, end in ends.items() if end is not None}
        return known if len(known) == len(ends) else None

    def _end(self, partition: TopicPartition) -> End | None:
        end = self.log_end(partition)
        return None if end is None or end.answered_at <= self._sought_at[partition] else end

    def log_end(self, partition: TopicPartition) -> End | None:
        """Return where a log ended when the broker was last asked, or None before."""
        answered_at, offset = self.consumer.last_poll_timestamp(partition), self.consumer.highwater(partition)
        return None if answered_at is None or offset is None else End(offset, answered_at)

    def reached(self, ends: dict[TopicPartition, int]) -> bool:
        """Tell whether every partition was read up to `ends`."""
        return all(self._positions[partition] >= end for partition, end in ends.items())

    def rewound(self) -> dict[str, int]:
        """
        Return where partitions are read from, by name, whose log ends before what was read of it.

        The broker lost that log and began it anew. The caller notes these positions in Redis; each is told once.
        """
        for partition, position in self._positions.items():
            end = self._end(partition)
            if end is not None and end.offset < position:
                self._rewind(partition)
        found, self._rewound = self._rewound, {}
        return found

    def caught_up_at(self, now: int) -> int | None:
        """
        Return since when nothing is missing, in Unix ms, or None when something is or may be.

        `now` (Unix ms) decides whether the broker's last answers are recent.
        """
        ends = self._known_ends()
        if ends is None or any(self._positions[partition] < end.offset for partition, end in ends.items()):
            return None
        oldest = min(end.answered_at for end in ends.values())
        return oldest if now - oldest < _ALIVE_MS else None

"""Reads topics to their end, without a group: for whoever looks at a log as a whole."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from pipeline.errors import BrokerUnavailableError
from pipeline.fetches import Fetched, next_fetches
from pipeline.kafka import client_options, connected
from pipeline.parsing import parsed
from pipeline.settings import Settings
from pipeline.state.records import Records

FETCH_BYTES: Final = 2 << 20
"""Of one partition at once."""
STALL_S: Final = 30.0
"""Without any progress for this long the broker is asked no further."""
_POLL_MS: Final = 200

_T = TypeVar("_T")


class LogReader:
    """A consumer of whole topics; a context manager."""

    def __init__(self, settings: Settings, *, group: str | None = None) -> None:
        """Prepare to read; `group` is asked for its committed offsets, never joined."""
        self._settings = settings
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.fetch_wait_ms,
            max_partition_fetch_bytes=FETCH_BYTES,
            isolation_level="read_committed",
        )

    async def __aenter__(self) -> Self:
        try:
            async with connected(self._settings):
                await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's committed offsets; None where there is none."""
        # The client asks for one partition at a time; together the questions travel at once.
        offsets = await asyncio.gather(*map(self._consumer.committed, partitions))
        return dict(zip(partitions, offsets, strict=True))

    async def begins(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the first offset that each partition still has."""
        await self._know(partitions)
        begins: dict[TopicPartition, int] = await self._consumer.beginning_offsets(list(partitions))
        return begins

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after the last of each partition."""
        await self._know(partitions)
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(partitions))
        return ends

    async def _know(self, partitions: Collection[TopicPartition]) -> None:
        """Learn who leads the partitions: asked about an unknown topic, the client finds that out topic by topic."""
        client = self._consumer._client  # noqa: SLF001 - there is no other way
        await asyncio.gather(*map(client.add_topic, {partition.topic for partition in partitions}))

    async def first(self, partition: TopicPartition) -> ConsumerRecord | None:
        """Return the first record of a partition, or None when it is empty."""
        begins = await self.begins([partition])
        async for _, records in self.read(begins):
            return records[0]
        return None

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset up to which a partition was read."""
        position: int = await self._consumer.position(partition)
        return position

    async def read(
        self, starts: Mapping[TopicPartition, int], until: Mapping[TopicPartition, int] | None = None
    ) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
        """
        Yield the records from these offsets to the ends of the partitions, a fetch at a time.

        The end is the one that the broker names at the beginning, or the high watermark of a fetch where that is
        further: brokers differ in what they answer, and the last offset may be of a record that was compacted or of a
        marker.

        Args:
            starts: Where to begin.
            until: Where it is enough; the last fetch may hold more. The ends by default.

        Raises:
            BrokerUnavailableError: It answers no more.
        """
        async for partition, records in self._read(self._records, starts, until):
            yield partition, records

    async def runs(
        self, starts: Mapping[TopicPartition, int], until: Mapping[TopicPartition, int] | None = None
    ) -> AsyncIterator[tuple[TopicPartition, Records]]:
        """
        Yield what `read` does, in columns instead of objects: much faster, and without headers.

        Raises:
            BrokerUnavailableError: It answers no more.
            CorruptRecordException: A record batch does not hold what its header says.
        """
        async for partition, fetched in self._read(self._fetches, starts, until):
            # In another thread, so that the next fetch can arrive meanwhile.
            run = await asyncio.to_thread(parsed, fetched)
            if len(run):
                yield partition, run

    async def _records(self) -> Mapping[TopicPartition, list[ConsumerRecord]]:
        found: Mapping[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(timeout_ms=_POLL_MS)
        return found

    async def _fetches(self) -> Mapping[TopicPartition, Fetched]:
        return await next_fetches(self._consumer._fetcher, self._consumer.assignment(), _POLL_MS / 1000)  # noqa: SLF001

    async def _read(
        self,
        poll: Callable[[], Awaitable[Mapping[TopicPartition, _T]]],
        starts: Mapping[TopicPartition, int],
        until: Mapping[TopicPartition, int] | None,
    ) -> AsyncIterator[tuple[TopicPartition, _T]]:
        consumer = self._consumer
        ends = until or await self.ends(list(starts))
        # At once after the assignment: a fetcher that finds partitions without a position asks for committed offsets.
        consumer.assign(list(starts))
        for partition, start in starts.items():
            consumer.seek(partition, start)
        waiting = {partition for partition in starts if ends[partition] > starts[partition]}
        consumer.pause(*(starts.keys() - waiting))
        progressed = time.monotonic()
        while waiting:
            for partition, records in (await poll()).items():
                progressed = time.monotonic()
                yield partition, records
            done = {
                partition
                for partition in waiting
                if await self.position(partition)
                >= (ends[partition] if until else max(ends[partition], consumer.highwater(partition) or 0))
            }
            if done:
                waiting -= done
                progressed = time.monotonic()
                consumer.pause(*done)
            if time.monotonic() - progressed > STALL_S:
                names = ", ".join(f"{tp.topic}/{tp.partition}" for tp in sorted(waiting))
                raise BrokerUnavailableError(
                    f"{names} cannot be read to the end: nothing came for {STALL_S:.0f} s. Look at the broker's log"
                )

"""Where history comes from: the log of hours and days, and scores by the relay, or else from their topic."""

from collections.abc import Iterator, Sequence

from aiokafka import TopicPartition

from pipeline.lookup.history.outlets import HISTORY_POINTS, SCORE_POINTS
from pipeline.lookup.history.relay import Relay
from pipeline.lookup.sink.chunks import Batch
from pipeline.lookup.sink.source import End, Source
from pipeline.settings import Settings


class HistorySource(Source):
    """
    A source with a consumer of its own, which rests wherever the relay has what comes next.

    Args:
        settings: Where the broker is.
        wait_ms: How long the broker may hold a fetch for the first record.
        scores: The source of the lane of scores.
        relay: What that lane hands over.
    """

    def __init__(self, settings: Settings, wait_ms: int, scores: Source, relay: Relay) -> None:
        super().__init__(settings, (SCORE_POINTS, HISTORY_POINTS), wait_ms)
        self._scores = scores
        self._relay = relay
        self._topic = settings.topic_prefix + SCORE_POINTS.topic
        self._handed_ends: dict[TopicPartition, End | None] = {}
        """Of each partition that the consumer does not read: where its log ended when it was taken last."""

    async def fetch(self, wait_ms: int) -> Sequence[Batch]:
        """Return what was handed over and what has arrived, after `wait_ms` at most."""
        handed = [batch for part in range(self._settings.partitions) for batch in self._take(part)]
        return [*handed, *await super().fetch(0 if handed else wait_ms)]

    def _take(self, part: int) -> Iterator[Batch]:
        partition = TopicPartition(self._topic, part)
        if self._scores.rewinds[partition] > self.rewinds[partition]:
            # The new log may be longer than the position by now: this consumer would not notice.
            self._rewind(partition)
        position = self._positions[partition]
        batch = self._relay.take(self._topic, part, position)
        if batch is None:
            self._read_again(partition)
            return
        self.consumer.pause(partition)
        self._handed_ends[partition] = self._scores.log_end(partition)
        if batch.end > position:
            self._positions[partition] = batch.end
            yield batch

    def _read_again(self, partition: TopicPartition) -> None:
        if partition in self._handed_ends:
            del self._handed_ends[partition]
            self.consumer.resume(partition)
            self._go_to(partition, self._positions[partition])

    def log_end(self, partition: TopicPartition) -> End | None:
        """Return where a log ended when it was last asked, by whichever consumer reads it."""
        if partition in self._handed_ends:
            return self._handed_ends[partition]
        return super().log_end(partition)

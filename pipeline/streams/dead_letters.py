"""Dead letters: what could not be folded, with its untouched bytes and the reason."""

import time
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer

from pipeline import metrics
from pipeline.errors import DeadLetterLimitError
from pipeline.logs import get_logger
from pipeline.state.records import Refusal
from pipeline.streams.batches import BatchWriter
from schemas import DeadLetter

_log = get_logger(__name__)

DETAIL_CHARS: Final = 512
"""Of a refusal's detail: it may quote the record."""

WINDOW: Final = 100_000
"""Records after which the share of refusals is judged."""

LIMIT: Final = 0.9
"""When more of a window's records are refused, the input must be wrong, not the records."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused record and where it stood."""

    topic: str
    partition: int
    refusal: Refusal


class DeadLetters:
    """Collects refusals until the next round writes them."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._waiting: list[Letter] = []
        self._records = 0
        self._refused = 0
        self._warned = -60.0

    def add(self, topic: str, partition: int, records: int, refusals: list[Refusal]) -> None:
        """
        Note the refusals among a run of records.

        Raises:
            DeadLetterLimitError: Nearly everything is refused.
        """
        # First of all: they are folded, so whatever round comes next must write them.
        for refusal in refusals:
            metrics.DEAD_LETTERS.labels(refusal.reason).inc()
            self._waiting.append(Letter(topic, partition, refusal))
        self._records += records
        self._refused += len(refusals)
        if self._records >= WINDOW:
            if self._refused > LIMIT * self._records:
                raise DeadLetterLimitError(
                    f"{self._refused} of the last {self._records} records were refused, the newest in {topic}: "
                    f"look into {self.topic} for the reasons, mend the producer, then start the worker again"
                )
            self._records = self._refused = 0
        if refusals and time.monotonic() - self._warned > 1.0:
            self._warned = time.monotonic()
            last = refusals[-1]
            _log.warning(
                "refused",
                topic=topic,
                partition=partition,
                offset=last.offset,
                reason=last.reason,
                detail=last.detail[:200],
            )

    def take(self) -> list[Letter]:
        """Return what waits: the caller writes it."""
        letters, self._waiting = self._waiting, []
        return letters


def add_letters(writer: BatchWriter, topic: str, letters: list[Letter], now: int) -> None:
    """Hand refused records, with their untouched bytes, to a writer."""
    for letter in letters:
        refusal = letter.refusal
        headers = DeadLetter(
            f"{refusal.reason}: {refusal.detail[:DETAIL_CHARS]}", letter.topic, letter.partition, refusal.offset
        ).headers()
        writer.add(topic, letter.partition, letter.topic.encode(), refusal.value, now, headers)


async def write_letters(topic: str, letters: list[Letter], now: int, producer: AIOKafkaProducer) -> None:
    """
    Write refused records.

    Raises:
        ChangelogWriteError: The broker did not acknowledge.
    """
    writer = BatchWriter(producer)
    add_letters(writer, topic, letters, now)
    await writer.flush()

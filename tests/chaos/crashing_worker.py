"""
A worker that kills itself at a given point of a round: where a random SIGKILL seldom lands.

Run as `python -m tests.chaos.crashing_worker POINT ROUND`; rounds that write no rows are not counted. It dies where a
round has something to commit: after details alone nothing would come again.
"""

import os
import signal
import sys
from contextvars import ContextVar
from typing import Final

from aiokafka import AIOKafkaProducer

from pipeline.settings import get_settings
from pipeline.state.sources import SOURCE_OF
from pipeline.streams import commit, plan, transport
from pipeline.streams.batches import Acknowledged, BatchWriter
from pipeline.streams.lease import Lease
from pipeline.topics import ENGAGEMENT_TOPICS

POINTS: Final = (
    "half flushed",
    "flushed",
    "half emitted",
    "emitted",
    "committed",
)
"""In the order of a round. "committed" dies only when emissions are still owed."""


def end(point: str) -> None:
    """Die as after SIGKILL, with a last word."""
    sys.stderr.write(f"crash point reached: {point}\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def crash_at(point: str, after_rounds: int) -> None:
    """Put the crash where it belongs."""
    flushes, partitions, prefix = 0, get_settings().partitions, get_settings().topic_prefix
    has_news = ContextVar("has_news", default=False)
    sources = {prefix + topic: SOURCE_OF[topic] for topic in ENGAGEMENT_TOPICS}

    class CrashingWriter(BatchWriter):
        """Dies before, within or after what a round writes."""

        async def flush(self) -> None:
            nonlocal flushes
            changelog = any("changelog" in topic for topic, _ in self._lanes)
            flushes += changelog
            # Each partition writes by itself: when one of them dies here, some have written and others have not.
            now = has_news.get() and flushes > after_rounds * partitions + partitions // 2 and bool(self._lanes)
            if now and point == ("half flushed" if changelog else "half emitted"):
                self._lanes = dict(list(self._lanes.items())[: len(self._lanes) // 2])
                await super().flush()
                end(point)
            await super().flush()
            if now and point == ("flushed" if changelog else "emitted"):
                end(point)

    async def write(
        planned: plan.Plan, outputs: plan.Outputs, now: int, lease: Lease, producer: AIOKafkaProducer
    ) -> list[Acknowledged]:
        offsets = {sources[tp.topic]: at for tp, at in planned.positions.items() if tp.topic in sources}
        has_news.set(any(at > planned.part.committed[source] for source, at in offsets.items()))
        return await written(planned, outputs, now, lease, producer)

    async def commit_positions(self: transport.BatchConsumer, positions: object) -> bool:
        done = await committed(self, positions)
        owed = any(part.owed[: len(part)].any() for part in self.app.engagement.partitions_held.values())
        if done and point == "committed" and flushes >= after_rounds * partitions and owed:
            end(point)
        return done

    committed = transport.BatchConsumer.commit_positions
    transport.BatchConsumer.commit_positions = commit_positions  # type: ignore[method-assign]
    written, commit.write = plan.write, write  # type: ignore[assignment]
    plan.BatchWriter = CrashingWriter  # type: ignore[misc]


if __name__ == "__main__":
    crash_at(sys.argv[1], int(sys.argv[2]))
    from pipeline.streams.run import run

    run()

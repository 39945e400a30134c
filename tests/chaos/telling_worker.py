"""
A worker that tells at once what it has folded, where others tell it with their next round: for trials without rounds.

Run as `python -m tests.chaos.telling_worker`.
"""

from typing import Any

from pipeline import metrics
from pipeline.state.records import Records
from pipeline.streams import engagement
from pipeline.streams.table import EngagementTable


def tell() -> None:
    """Set the metric after each fold."""
    fold = engagement.fold

    def told(app: Any, table: EngagementTable, topic: str, number: int, records: Records) -> bool:
        done = fold(app, table, topic, number, records)
        if (part := table.partitions_held.get(number)) is not None:
            metrics.ENGAGEMENTS_RECEIVED.labels(str(number)).set(int(part.fates.sum()))
        return done

    engagement.fold = told


if __name__ == "__main__":
    tell()
    from pipeline.streams.run import run

    run()

"""The Faust agent that folds record batches into the engagement table."""

import asyncio
from typing import Any

import faust

from pipeline.state.records import Records
from pipeline.streams.table import EngagementTable


def fold(app: Any, table: EngagementTable, topic: str, number: int, records: Records) -> bool:
    """
    Fold one fetch.

    Returns:
        False when it leaves a gap to what was folded before: its partition must be sought back.
    """
    part = table.partitions_held.get(number)
    if part is None:
        # Revoked while the fetch waited; its new owner reads it.
        return True
    source = table.source(topic)
    position = int(part.positions[source])
    if records.first > position:
        return False
    if records.end <= position:
        return True
    if records.first < position:
        records = records.since(position)
    try:
        refusals = part.fold(source, records)
    except BaseException:
        # Some of it may be staged: no round may write that.
        app.rounds.fail()
        raise
    app.dead_letters.add(topic, number, len(records), refusals)
    return True


def declare(app: Any, table: EngagementTable, topic: Any) -> Any:
    """Register the agent with its app."""

    @app.agent(topic, name="engagement", concurrency=1)
    async def engagement(fetches: faust.StreamT[Records]) -> None:
        async for event in fetches.events():
            tp = event.message.tp
            if not fold(app, table, tp.topic, tp.partition, event.value):
                await app.consumer.perform_seek()
            # Faust does not wait while fetches are there: let the next ones be asked for.
            await asyncio.sleep(0)

    return engagement

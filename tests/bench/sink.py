"""
What a document costs Redis and the sink: the writer alone, on a Valkey that already has every user.

Most scores have moved a little since the last time, as they do in the stream of a busy worker.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from pipeline.local.guard import Guard
from pipeline.lookup.connection import connect
from pipeline.lookup.history.outlets import SCORE_POINTS
from pipeline.lookup.history.series import MINUTE_MS
from pipeline.lookup.sink.chunks import Batch, Tally, chunks
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.outlet import Outlet
from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.writer import Writer
from schemas import Contribution, Counts, Details, Factors, NetworkScore, ScoreDocument, TopActor, TopPost, Windows
from tests.bench.traffic import SEED
from tests.support.cluster import Valkey

USERS: Final = 50_000
DOCUMENTS: Final = 50_000
FETCH: Final = 500
POINTS: Final = 30
"""Points of each user in the history that is written to."""


class Record(msgspec.Struct):
    """A Kafka record, as far as the sink looks at it."""

    offset: int
    key: bytes | None
    value: bytes | None


def user(number: int) -> str:
    """Return an id of a usual length."""
    return f"bluesky:did:plc:{number:024x}"


def score(number: int, value: float, version: int, as_of: int = 1_783_175_888_085) -> bytes:
    """Return a score document of a usual size."""
    counts = Counts(likes=31, shares=12, comments=9, follows=4)
    name = user(number)
    return msgspec.json.encode(
        ScoreDocument(
            user=name,
            handle=f"user{number}.example.org",
            name=f"User {number}",
            avatar=f"https://cdn.example.org/avatar/{number:040x}.jpg",
            score=round(value, 2),
            previous=round(value - 0.2, 2),
            bucket="40-49",
            percentile=88.412,
            confidence=0.812,
            factors=Factors(true_reach=51.31, amplification=38.02, network_impact=22.71),
            networks={"bluesky": NetworkScore(round(value, 2), 1.0, 1_783_175_888_085)},
            engagement=Windows(counts, counts, counts, counts),
            engagers=1204,
            authenticity=97,
            model="clout-1",
            version=version,
            time=1_783_175_888_412,
            as_of=as_of,
        )
    )


def details(number: int, version: int, draw: random.Random) -> bytes:
    """Return a details document with ten posts and ten actors: one is new, and three engaged again."""
    actors = [
        TopActor(user((number * 31 + 7 * place) % USERS), 20 - place + (version if place < 3 else 0))
        for place in range(9)
    ]
    actors.append(TopActor(user(draw.randrange(USERS)), 1))
    posts = [TopPost(f"at://{user(number)[8:]}/app.bsky.feed.post/{place:013x}", 9) for place in range(10)]
    parts = [Contribution(factor, 12.345) for factor in ("true_reach", "amplification", "network_impact")]
    return msgspec.json.encode(
        Details(user(number), actors, posts, [], parts, version, 1_783_175_888_412, 1_783_175_888_085)
    )


class SinkBench:
    """Writes documents as the sink does, and asks what it cost."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._writer = Writer(redis, "live")
        self._draw = random.Random(SEED)
        self._scores = [self._draw.uniform(1, 99) for _ in range(USERS)]
        self._offsets = dict.fromkeys([SCORES, DETAILS, SCORE_POINTS], 0)
        self._version = 0
        self._as_of = 1_783_175_888_085

    async def run(self) -> dict[str, float]:
        """Fill Redis, then measure; microseconds of a core per document."""
        await self._writer.positions([outlet.field(outlet.topic, 0) for outlet in self._offsets])
        everyone = range(USERS)
        await self._write(SCORES, [self._score(number) for number in everyone], FETCH)
        await self._write(DETAILS, [self._details(number) for number in everyone], FETCH)
        for _ in range(POINTS):
            self._as_of += MINUTE_MS
            await self._write(SCORE_POINTS, [self._score(number) for number in everyone], FETCH)
        await self._writer.finish_rebuild()
        await self._write(SCORES, [self._score(number) for number in everyone], FETCH)
        results: dict[str, float] = {}
        for name, outlet, size in (
            ("score", SCORES, FETCH),
            ("score_in_fifties", SCORES, 50),
            ("details", DETAILS, FETCH),
            ("details_in_fifties", DETAILS, 50),
            ("point", SCORE_POINTS, FETCH),
        ):
            self._as_of += MINUTE_MS
            make = self._details if outlet is DETAILS else self._score
            values = [make(self._draw.randrange(USERS)) for _ in range(DOCUMENTS)]
            before, began = await self._cpu(), time.process_time()
            worst = await self._write(outlet, values, size)
            results[f"{name}_redis_us"] = round((await self._cpu() - before) / DOCUMENTS * 1e6, 2)
            results[f"{name}_sink_us"] = round((time.process_time() - began) / DOCUMENTS * 1e6, 2)
            results[f"{name}_longest_call_ms"] = round(worst * 1e3, 1)
        return results

    def _score(self, number: int) -> bytes:
        self._version += 1
        self._scores[number] = min(99.0, max(1.0, self._scores[number] + self._draw.uniform(-0.5, 0.5)))
        return score(number, self._scores[number], self._version, self._as_of)

    def _details(self, number: int) -> bytes:
        self._version += 1
        return details(number, self._version, self._draw)

    async def _write(self, outlet: Outlet, values: Sequence[bytes], size: int) -> float:
        """Write values, `size` in a fetch, and return the longest call in seconds."""
        worst = 0.0
        for start in range(0, len(values), size):
            first = self._offsets[outlet]
            records = [Record(first + number, None, value) for number, value in enumerate(values[start : start + size])]
            self._offsets[outlet] += len(records)
            for chunk in chunks([Batch(outlet, outlet.topic, 0, first, records)], Tally()):
                began = time.perf_counter()
                await self._writer.write(chunk)
                worst = max(worst, time.perf_counter() - began)
        return worst

    async def _cpu(self) -> float:
        found = cast("dict[str, float]", await self._redis.info("cpu"))
        return found["used_cpu_sys"] + found["used_cpu_user"]


def sink(guard: Guard, directory: Path) -> dict[str, float]:
    """Measure, print and return microseconds of a core per document."""
    valkey = Valkey(guard, directory)

    async def measure() -> dict[str, float]:
        redis = connect(valkey.url, 5.0)
        try:
            return await SinkBench(redis).run()
        finally:
            await redis.aclose()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(measure())
    finally:
        valkey.kill()
    _print(results)
    return results


def _print(results: dict[str, float]) -> None:
    table = Table(title="Writing a document to Valkey, microseconds of a core", title_justify="left")
    for column in ("what", "Valkey", "sink", "longest call ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in _rows(results):
        table.add_row(*row)
    Console(width=100).print(table)


def _rows(results: dict[str, float]) -> Iterator[tuple[str, ...]]:
    for name, what in (
        ("score", f"scores, {FETCH} a call"),
        ("score_in_fifties", "scores, 50 a call"),
        ("details", f"details, {FETCH} a fetch"),
        ("details_in_fifties", "details, 50 a fetch"),
        ("point", "points of history, 100 a call"),
    ):
        yield what, *(f"{results[f'{name}_{part}']:.1f}" for part in ("redis_us", "sink_us", "longest_call_ms"))

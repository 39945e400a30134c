"""The topics of one partition, built in memory, and what a partition makes of them."""

from typing import Any, Final

import msgspec
import numpy as np

from pipeline.scoring.features import Features
from pipeline.state.codec import encode_meta, encode_rows
from pipeline.state.documents import score_documents
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition, StateConfig
from pipeline.state.persons import standing
from pipeline.state.records import Records, Refusal
from pipeline.state.restore import Restore
from pipeline.state.sources import CONTRIBUTIONS, IDENTITIES, SOURCE_OF, SOURCES
from pipeline.state.view import features
from schemas import (
    KINDS,
    AccountContribution,
    Counts,
    Engagement,
    Identity,
    Kind,
    Levels,
    Post,
    Profile,
    ScoreDocument,
    Tick,
    Windows,
)

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

NOW: Final = 1_783_175_888_085
"""When the records of a log reach Kafka, unless it says otherwise."""

FOREVER: Final = StateConfig(dedupe_seconds=10**9)
"""Every repeated id is found, however long ago it was."""

Event = Engagement | Post | Profile | Tick | Identity | AccountContribution

_ENCODE: Final = msgspec.json.Encoder().encode


class Log:
    """Records by source, in the order they were added."""

    def __init__(self) -> None:
        self.offsets: list[list[int]] = [[] for _ in SOURCES]
        self.timestamps: list[list[int]] = [[] for _ in SOURCES]
        self.keys: list[list[bytes | None]] = [[] for _ in SOURCES]
        self.values: list[list[bytes | None]] = [[] for _ in SOURCES]

    def raw(self, source: int, key: bytes | None, value: bytes | None, *, timestamp: int = NOW) -> None:
        """Append a record as it is."""
        self.offsets[source].append(len(self.offsets[source]))
        self.timestamps[source].append(timestamp)
        self.keys[source].append(key)
        self.values[source].append(value)

    def add(self, event: Event, *, timestamp: int = NOW) -> None:
        """Append an event to its topic."""
        if isinstance(event, Engagement):
            self.raw(KINDS.index(event.kind), event.target.encode(), _ENCODE(event), timestamp=timestamp)
        elif isinstance(event, Post):
            self.raw(SOURCE_OF["posts"], event.author.encode(), _ENCODE(event), timestamp=timestamp)
        elif isinstance(event, Profile):
            self.raw(SOURCE_OF["profiles"], event.user.encode(), _ENCODE(event), timestamp=timestamp)
        elif isinstance(event, Identity):
            self.raw(IDENTITIES, event.account.encode(), _ENCODE(event), timestamp=timestamp)
        elif isinstance(event, AccountContribution):
            self.raw(CONTRIBUTIONS, event.user.encode(), _ENCODE(event), timestamp=timestamp)
        else:
            self.raw(SOURCE_OF["ticks"], None, _ENCODE(event), timestamp=timestamp)

    def unlink(self, account: str, *, timestamp: int = NOW) -> None:
        """Append the tombstone that lets an account belong to nobody."""
        self.raw(IDENTITIES, account.encode(), None, timestamp=timestamp)

    def end(self, source: int) -> int:
        """Return the position after a source's last record."""
        return len(self.offsets[source])

    def run(self, source: int, first: int, end: int | None = None) -> Records:
        """Return the records from `first` on, up to `end`."""
        end = self.end(source) if end is None else min(end, self.end(source))
        return Records.of(
            first,
            end,
            self.offsets[source][first:end],
            self.timestamps[source][first:end],
            self.keys[source][first:end],
            self.values[source][first:end],
        )

    def __len__(self) -> int:
        """Return the number of records in all topics."""
        return sum(map(len, self.offsets))


def log_of(*events: Event) -> Log:
    """Return a log of these events."""
    log = Log()
    for event in events:
        log.add(event)
    return log


_counter = iter(range(1 << 62))


def engagement(actor: str = "bluesky:actor", target: str = "bluesky:target", **fields: Any) -> Engagement:
    """Return an engagement: a like of now with an id of its own, unless told otherwise."""
    kind: Kind = fields.pop("kind", "like")
    values = {"id": f"bluesky:{next(_counter)}", "network": "bluesky", "time": NOW, **fields}
    return Engagement(kind=kind, actor=actor, target=target, **values)


def post(author: str = "bluesky:target", **fields: Any) -> Post:
    """Return a post of now with an id of its own."""
    return Post(**{"id": f"bluesky:{next(_counter)}", "network": "bluesky", "author": author, "time": NOW, **fields})


def profile(user: str = "bluesky:target", **fields: Any) -> Profile:
    """Return a profile of now."""
    return Profile(**{"user": user, "network": "bluesky", "time": NOW, **fields})


def contribution(account: str, person: str = "bluesky:person", **fields: Any) -> AccountContribution:
    """Return what an account contributes: two likes by one, unless told otherwise."""
    counts = Counts(2, 0, 0, 0)
    values: dict[str, Any] = {"linked": True, "levels": Levels(0.5, 0.25, 0.75), "last": NOW, "engagers": 1}
    values |= {"engagement": Windows(*[counts] * 4), "authenticity": 100, "model": "clout-1"}
    return AccountContribution(person, account, **(values | {"version": 1, "time": NOW, "as_of": NOW} | fields))


def crowd(n: int, *, target: str = "bluesky:target", seed: int = 1, days: float = 80.0) -> list[Engagement]:
    """Return engagements by `n` distinct actors with various stamps, in no order of time."""
    rng = np.random.default_rng(seed)
    times = NOW - rng.integers(0, int(days * DAY), n)
    kinds = rng.integers(0, 4, n)
    scores, nths, ages = rng.integers(0, 201, n), rng.integers(0, 300, n), rng.integers(0, 400, n)
    known = rng.random((n, 4)) < 0.6
    return [
        engagement(
            f"bluesky:a{seed}-{i}",
            target,
            kind=KINDS[kinds[i]],
            time=int(times[i]),
            actor_score=float(scores[i]) / 2 if known[i, 0] else None,
            actor_nth=int(nths[i]) if known[i, 1] else None,
            actor_since=int(times[i]) - int(ages[i]) * DAY if known[i, 2] else None,
            mutual=bool(known[i, 3]) or None,
        )
        for i in range(n)
    ]


def fold(
    log: Log, part: Partition | None = None, *, step: int = 1 << 30, settle: bool = False
) -> tuple[Partition, list[Refusal]]:
    """
    Fold what a partition has not seen of a log, and settle it.

    Args:
        log: All of it is folded, topic by topic.
        part: A new one by default.
        step: Records in a run.
        settle: After every run.
    """
    part = Partition(0, FOREVER) if part is None else part
    refusals: list[Refusal] = []
    for source in range(len(SOURCES)):
        for first in range(int(part.positions[source]), log.end(source), step):
            refusals += part.fold(source, log.run(source, first, first + step))
            if settle:
                part.settle()
    part.settle()
    return part, refusals


def folded(*events: Event, config: StateConfig = FOREVER) -> Partition:
    """Return a settled partition of these events, none of which it may refuse."""
    part, refusals = fold(log_of(*events), Partition(0, config))
    assert not refusals
    return part


def all_rows(part: Partition) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the rows in the order of their ids, which does not depend on who came first."""
    return np.array(sorted(range(len(part)), key=part.ids.__getitem__), np.int64)


def features_of(part: Partition, as_of: int | None = None) -> Features:
    """Return the features of all rows, in the order of their ids."""
    return features(part, all_rows(part), as_of)


def columns(part: Partition, as_of: int | None = None) -> dict[str, Any]:
    """Return all features as plain lists, to be compared exactly."""
    seen = features_of(part, as_of)
    names = [name for name in Features.__dataclass_fields__ if name != "networks"]
    return {"users": sorted(part.ids), **{name: getattr(seen, name).tolist() for name in names}}


def documents(part: Partition, as_of: int | None = None) -> dict[str, ScoreDocument]:
    """Return the score documents of all rows, by user, as computed at time 0."""
    seen, scores = standing(part, all_rows(part), as_of)
    made = score_documents(part, all_rows(part), seen, scores, 0, as_of)
    return {document.user: document for document in made}


def document(part: Partition, user: str = "bluesky:target") -> ScoreDocument:
    """Return the score document of one row."""
    return documents(part)[user]


def changelog(part: Partition, *, planned: bool = True, generation: int = 1) -> list[tuple[bytes, bytes]]:
    """Return the changelog records of all rows and of the partition itself."""
    rows = np.arange(len(part))
    return [
        *encode_rows(part, rows, np.full(len(rows), planned), generation),
        encode_meta(part, generation),
    ]


def restored(records: list[tuple[bytes, bytes]], committed: Any = None, config: StateConfig = FOREVER) -> Partition:
    """Return a partition rebuilt from changelog records; the fold goes on at `committed`, or at 0."""
    restore = Restore(Partition(0, config))
    restore.add(*Packed.of_pairs(records))
    restore.finish(np.zeros(len(SOURCES), np.int64) if committed is None else np.array(committed, np.int64))
    return restore.partition

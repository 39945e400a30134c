"""How far attacks move a score: each on accounts that begin at several scores, beside its honest control."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from pipeline.scoring import model
from pipeline.scoring.model import Scores
from pipeline.state.partition import Partition
from pipeline.state.records import Records
from pipeline.state.sources import KIND_OF_SOURCE, POSTS
from pipeline.state.view import features
from schemas import Engagement, Post
from tests.validity.attacks import ALL_DAY, ATTACKS, HONEST, RANGES, Scenario
from tests.validity.crowds import NOW, Crowd, Drawn
from tests.validity.record import DAY

STARTS: Final = (1, 20, 50)
SEEDS: Final = 20

LARGEST_BASE: Final = 800
"""People in 82 days whom a score of 50 takes at most."""

STEPS: Final = 40
TRIES: Final = 3
"""Sizes of honest crowds, and crowds, that are tried for a starting score: some account is within a point or two."""

NETWORK: Final = "twitter"

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Move:
    """What became of one account under one scenario."""

    scenario: str
    start: int
    """One of the starting scores."""
    before: float
    """The score that the account had."""
    suspect: float
    """Points that the suspect crowd moved it by."""
    control: float
    authenticity: int
    """Of the account with the suspect crowd."""


def simulate(seeds: int = SEEDS, starts: Sequence[int] = STARTS) -> list[Move]:
    """Return the moves of all scenarios, for each seed and starting score."""
    scenarios = ATTACKS | HONEST | ALL_DAY
    return [move for seed in range(seeds) for move in _moves(seed, starts, scenarios)]


def _moves(seed: int, starts: Sequence[int], scenarios: dict[str, Scenario]) -> Iterable[Move]:
    drawn = Drawn(RANGES.honest, np.random.default_rng(seed))
    bases = _bases(drawn, starts)
    pairs = {name: scenario(drawn) for name, scenario in scenarios.items()}
    crowds = [[base] for base in bases]
    crowds += [[base, side] for pair in pairs.values() for base in bases for side in (pair.suspect, pair.control)]
    scores = scored(crowds)
    before = scores.score[: len(bases)]
    after = scores.score[len(bases) :].reshape(len(pairs), len(bases), 2) - before[:, None]
    authentic = scores.authenticity[len(bases) :].reshape(len(pairs), len(bases), 2)
    for i, name in enumerate(pairs):
        for j, start in enumerate(starts):
            yield Move(name, start, float(before[j]), *after[i, j].tolist(), int(authentic[i, j, 0]))


def _bases(drawn: Drawn, starts: Sequence[int]) -> list[Crowd]:
    """Return honest crowds whose accounts' scores are next to the starting scores."""
    days = drawn.people.base_days
    sizes = np.unique(np.geomspace(1, LARGEST_BASE, STEPS).astype(int)) - 1
    crowds = [replace(drawn.crowd(LARGEST_BASE, days), posts=drawn.posts(days)) for _ in range(TRIES)]
    tried = [crowd.first(size) for crowd in crowds for size in sizes.tolist()]
    reached = scored([[base] for base in tried]).score
    return [tried[int(np.abs(reached - start).argmin())] for start in starts]


def scored(accounts: Sequence[Sequence[Crowd]]) -> Scores:
    """Return the scores of accounts, each engaged with by all of its crowds, by way of the engagement table."""
    partition = Partition(0)
    for source in KIND_OF_SOURCE:
        partition.fold(source, _records(_engagements(accounts, source)))
    partition.fold(POSTS, _records(_posts(accounts)))
    partition.settle()
    rows = np.array([partition.index[b"%s:t%d" % (NETWORK.encode(), i)] for i in range(len(accounts))])
    return model.score(features(partition, rows, NOW * 1_000))


Keyed = tuple[bytes, int, bytes]
"""A record: key, Unix ms, value."""


def _engagements(accounts: Sequence[Sequence[Crowd]], kind: int) -> list[Keyed]:
    records: list[Keyed] = []
    for number, crowds in enumerate(accounts):
        target = f"{NETWORK}:t{number}"
        for part, crowd in enumerate(crowds):
            prefix = f"{NETWORK}:{number}-{part}-"
            for i in np.flatnonzero(crowd.kind == kind).tolist():
                time = int(crowd.time[i]) * 1_000
                event = Engagement(
                    id=f"{prefix}{i}",
                    kind=KIND_OF_SOURCE[kind],
                    network=NETWORK,
                    actor=f"{prefix}a{crowd.actor[i]}",
                    target=target,
                    time=time,
                    actor_score=float(crowd.score[i]) / 2,
                    actor_nth=int(crowd.nth[i]),
                    actor_since=time - int(crowd.age_days[i]) * DAY * 1_000,
                    mutual=bool(crowd.mutual[i]),
                )
                records.append((target.encode(), time, _encode(event)))
    return records


def _posts(accounts: Sequence[Sequence[Crowd]]) -> list[Keyed]:
    records: list[Keyed] = []
    for number, crowds in enumerate(accounts):
        author = f"{NETWORK}:t{number}"
        for part, crowd in enumerate(crowds):
            for i, second in enumerate(crowd.posts.tolist()):
                post = Post(id=f"{author}-{part}-{i}", network=NETWORK, author=author, time=second * 1_000)
                records.append((author.encode(), second * 1_000, _encode(post)))
    return records


def _records(run: list[Keyed]) -> Records:
    keys, times, values = map(list, zip(*run, strict=True)) if run else ([], [], [])
    return Records.of(0, len(run), list(range(len(run))), times, keys, values)

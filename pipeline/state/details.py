"""Details of rows: who and what stands behind a score, what is strong and weak about it, and what becomes of it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import explain, findings, model, moments
from pipeline.scoring.accumulation import accumulate
from pipeline.scoring.authenticity import SIGNALS, suspicions
from pipeline.scoring.factors import FACTORS, levels
from pipeline.scoring.features import Features
from pipeline.scoring.windows import WINDOW_NAMES
from pipeline.state.evidence import Ranking, top_of_lines
from pipeline.state.lines import Line, read_lines
from pipeline.state.moments import Earned, timed
from pipeline.state.partition import Partition
from pipeline.state.persons import Accounts, accounts_of
from pipeline.state.view import features
from schemas import Advice, Contribution, Details, Discount, Fading, Moment, NetworkPoints, TopActor, TopPost, TopTag

MOMENTS: Final = 5
"""Posts in the details for each window."""

TOP: Final = 10
"""Actors, posts and tags in the details."""

LEAST_SHARE: Final = 0.01
"""A signal that takes less from the authenticity says nothing."""

_DAY_MS: Final = 86_400_000

Held = dict[int, tuple[list[Line], NDArray[np.void]]]
"""What small rows hold, read for all of them at once: their lines and their events."""


def details_documents(partition: Partition, rows: NDArray[np.int64], seen: Features, now: int) -> list[Details]:
    """
    Return the details of settled rows.

    Args:
        partition: Settled.
        rows: int64[n], without repetition.
        seen: Their features, in the same order, as of the partition's own time.
        now: Unix ms, when they are computed.
    """
    own = levels(seen)
    accounts = accounts_of(partition, rows, own)
    points = explain.factor_points(accounts.levels, accounts.row, len(rows))
    others = np.bincount(accounts.row, accounts.raw, len(rows)) - accounts.raw[: len(rows)]
    advice = findings.best_changes(seen, others)
    suspicion = suspicions(seen)
    said = findings.sentences(seen, model.score(seen).score, suspicion)
    fading = _fading(partition, rows, accounts)
    several = (np.bincount(accounts.row, minlength=len(rows)) > 1).tolist()
    score = points.sum(axis=1).tolist()
    held = _read(partition, rows)
    posts_of = _moments(partition, rows, seen, held)
    made = []
    for i, row in enumerate(rows.tolist()):
        actors, posts, tags = _evidence(partition, row, held)
        change = advice[i]
        made.append(
            Details(
                partition.ids[row].decode(),
                [TopActor(actor, count) for actor, count in actors],
                [TopPost(post, count) for post, count in posts],
                [TopTag(tag, count) for tag, count in tags],
                [Contribution(name, round(value, 3)) for name, value in zip(FACTORS, points[i].tolist(), strict=True)],
                partition.version,
                now,
                partition.as_of,
                _networks(accounts, i) if several[i] else [NetworkPoints(accounts.network[i], round(score[i], 3))],
                *said[i],
                None if change is None else Advice(change[0], round(change[1], 2)),
                _discounts(suspicion[i]),
                fading[i],
                posts_of[i],
            )
        )
    return made


def _read(partition: Partition, rows: NDArray[np.int64]) -> Held:
    small, rows = partition.small_rows, rows[partition.large[rows] < 0]
    events, ends = small.events.gather(rows), np.cumsum(small.events.lengths[rows]).tolist()
    spans = zip(rows.tolist(), small.texts(rows), [0, *ends], ends, strict=False)
    return {row: (read_lines(text), events[start:end]) for row, text, start, end in spans}


def _evidence(partition: Partition, row: int, held: Held) -> tuple[Ranking, Ranking, Ranking]:
    if row in held:
        return top_of_lines(*held[row], TOP)
    evidence = partition.evidence[row]
    return evidence.top(0, TOP), evidence.top(1, TOP), evidence.top(2, TOP)


def _moments(partition: Partition, rows: NDArray[np.int64], seen: Features, held: Held) -> list[list[Moment]]:
    """Return the posts of each row that earned most within any window, the most points first."""
    as_of = partition.as_of // 1000
    posts: list[str] = []
    place: list[int] = []
    earned: list[Earned] = []
    for i, row in enumerate(rows.tolist()):
        best = _most_earned(_earned(partition, row, held, as_of))
        posts += best
        earned += best.values()
        place += [i] * len(best)
    of_row = np.array(place, np.int64)
    worth = moments.points(seen, of_row, np.array(earned, np.float64).reshape(-1, len(WINDOW_NAMES)))
    made: list[list[Moment]] = [[] for _ in rows]
    for i, post, counts, points in zip(place, posts, earned, np.round(worth, 2).tolist(), strict=True):
        hour, day, week, quarter = (round(count) for count in counts)
        made[i].append(Moment(post, hour, day, week, quarter, points))
    return [sorted(each, key=lambda moment: (-moment.points, -moment.quarter, moment.object)) for each in made]


def _earned(partition: Partition, row: int, held: Held, as_of: int) -> dict[str, Earned]:
    if row in held:
        return partition.moments.earned_by(timed(*held[row]), as_of)
    return partition.moments.earned(row, as_of)


def _most_earned(posts: dict[str, Earned]) -> dict[str, Earned]:
    """Return the posts among the `MOMENTS` first of any window; none that earned nothing any more."""
    best: dict[str, Earned] = {}
    for window in range(len(WINDOW_NAMES)):
        order = sorted(posts, key=lambda post: (-posts[post][window], post))[:MOMENTS]
        best.update((post, posts[post]) for post in order if round(posts[post][window]) > 0)
    return best


def _networks(accounts: Accounts, place: int) -> list[NetworkPoints]:
    """Return what each network of a person adds, the most first."""
    mine = np.flatnonzero(accounts.row == place)
    names = list(dict.fromkeys(accounts.network[account] for account in mine.tolist()))
    which = np.array([names.index(accounts.network[account]) for account in mine.tolist()])
    points = explain.network_points(np.bincount(which, accounts.raw[mine], len(names)).astype(np.float64))
    found = [NetworkPoints(name, round(value, 3)) for name, value in zip(names, points.tolist(), strict=True)]
    return sorted(found, key=lambda each: (-each.points, each.network))


def _discounts(suspicion: NDArray[np.float64]) -> list[Discount]:
    return [
        Discount(signal, round(share, 3))
        for signal, share in zip(SIGNALS, suspicion.tolist(), strict=True)
        if share >= LEAST_SHARE
    ]


def _fading(partition: Partition, rows: NDArray[np.int64], accounts: Accounts) -> list[Fading]:
    """Return what the scores lose in silence; what other accounts contribute stays as it is."""
    n = len(rows)
    now = accumulate(accounts.levels, accounts.row, n).score
    lost = []
    for days in (1, 7):
        later = accounts.levels.copy()
        later[:n] = levels(features(partition, rows, partition.as_of + days * _DAY_MS))
        lost.append(np.round(now - accumulate(later, accounts.row, n).score, 2).tolist())
    return [Fading(day, week) for day, week in zip(*lost, strict=True)]

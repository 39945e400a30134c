"""Persons: rows to which other accounts contribute, and what accounts contribute."""

from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import model
from pipeline.scoring.accumulation import accumulate, bounded, raw_influence
from pipeline.scoring.factors import levels
from pipeline.scoring.features import Features
from pipeline.scoring.model import Scores, reference
from pipeline.state.linking import Part
from pipeline.state.partition import Partition
from pipeline.state.view import features
from schemas import AccountContribution, Counts, Levels, NetworkScore, Windows, network_of

_N = TypeVar("_N", np.float64, np.int64)

LEVEL_DIGITS: Final = 6
"""Decimals of a level on the wire: a ten-thousandth of a point of the score."""

NOTHING: Final = Windows(*[Counts(0, 0, 0, 0)] * 4)


def standing(partition: Partition, rows: NDArray[np.int64], as_of: int | None = None) -> tuple[Features, Scores]:
    """
    Return what settled rows stand for with all that other accounts contribute to them.

    Args:
        partition: Settled.
        rows: int64[n], without repetition.
        as_of: Unix ms, not before the partition's own; that by default. Contributions are as of their own time.

    Returns:
        The scores, and the features with the counts and engagers of all accounts; all else is the row's own.
    """
    seen = features(partition, rows, as_of)
    scores = model.score(seen)
    places = _persons(partition, rows)
    return _accumulated(partition, rows, places, seen, scores) if len(places) else (seen, scores)


def _persons(partition: Partition, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the rows that other accounts contribute to."""
    persons = partition.linking.persons
    return np.array([i for i, row in enumerate(rows.tolist()) if row in persons] if persons else [], np.int64)


def _accumulated(
    partition: Partition, rows: NDArray[np.int64], places: NDArray[np.int64], seen: Features, scores: Scores
) -> tuple[Features, Scores]:
    own = levels(seen.pick(places))
    accounts = _Accounts()
    for i, row in enumerate(rows[places].tolist()):
        accounts.add(i, own[i], partition.linking.parts(row))
    person, n = np.array(accounts.person, np.int64), len(places)
    total = accumulate(np.array(accounts.levels), person, n)
    parts = np.array(accounts.place, np.int64)
    counts, engagers = seen.counts.copy(), seen.engagers.copy()
    np.add.at(counts, places[parts], np.array(accounts.counts, np.int64).reshape(-1, *counts.shape[1:]))
    theirs = np.array(accounts.engagers, np.float64)
    engagers[places] += np.bincount(parts, theirs, n)
    genuine = scores.authenticity[places] * seen.engagers[places]
    genuine += np.bincount(parts, theirs * np.array(accounts.authenticity), n)
    authenticity = np.where(engagers[places] > 0, genuine / np.maximum(engagers[places], 1e-9), 100.0)
    combined = Scores(
        score=_put(scores.score, places, total.score),
        factors=_put(scores.factors, places, total.factors),
        raw=_put(scores.raw, places, total.raw),
        percentile=_put(scores.percentile, places, total.percentile),
        confidence=_put(scores.confidence, places, model.confidence(engagers[places])),
        bucket=_put(scores.bucket, places, model.bucket(total.score)),
        authenticity=_put(scores.authenticity, places, np.rint(authenticity).astype(np.int64)),
    )
    return replace(seen, counts=counts, engagers=engagers), combined


@dataclass(slots=True)
class _Accounts:
    """The accounts of some persons: each person's own row first, then the others in the order of their ids."""

    person: list[int] = field(default_factory=list)
    levels: list[NDArray[np.float64] | tuple[float, float, float]] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    """Whose each of the others is; the lists below are theirs."""
    counts: list[tuple[int, ...]] = field(default_factory=list)
    engagers: list[int] = field(default_factory=list)
    authenticity: list[int] = field(default_factory=list)

    def add(self, place: int, own: NDArray[np.float64], parts: list[Part]) -> None:
        self.person += [place] * (1 + len(parts))
        self.levels += [own, *(part.levels for part in parts)]
        self.place += [place] * len(parts)
        self.counts += [part.counts for part in parts]
        self.engagers += [part.engagers for part in parts]
        self.authenticity += [part.authenticity for part in parts]


def _put(column: NDArray[_N], places: NDArray[np.int64], values: NDArray[_N]) -> NDArray[_N]:
    changed = column.copy()
    changed[places] = values
    return changed


def networks(
    partition: Partition, rows: NDArray[np.int64], seen: Features, oldest: int
) -> dict[int, dict[str, NetworkScore]]:
    """
    Return what each network contributes to the persons among some rows, by row.

    Args:
        partition: Settled.
        rows: int64[n].
        seen: Their features, in the same order.
        oldest: Unix ms: an engagement before it is no longer told of.
    """
    places = _persons(partition, rows)
    if not len(places):
        return {}
    own = levels(seen.pick(places))
    return {row: _networks_of(partition, row, own[i], oldest) for i, row in enumerate(rows[places].tolist())}


def _networks_of(partition: Partition, row: int, own: NDArray[np.float64], oldest: int) -> dict[str, NetworkScore]:
    parts = partition.linking.parts(row)
    names = [network_of(account) for account in (partition.ids[row].decode(), *(part.account for part in parts))]
    lasts = [int(partition.last[row]), *(part.last or 0 for part in parts)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    of = np.array([numbers[name] for name in names], np.int64)
    total = accumulate(np.array([own, *(part.levels for part in parts)]), of, len(numbers))
    whole = float(total.raw.sum())
    shares = total.raw / whole if whole > 0 else np.full(len(numbers), 1 / len(numbers))
    newest = {name: max(last for each, last in zip(names, lasts, strict=True) if each == name) for name in numbers}
    return {
        name: NetworkScore(
            round(float(total.score[number]), 2),
            round(float(shares[number]), 4),
            newest[name] if newest[name] >= oldest else None,
        )
        for name, number in numbers.items()
    }


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts behind some rows: first the rows themselves, in their order, then what others contribute to them."""

    row: NDArray[np.int64]
    """[accounts] the place of the row among them."""
    levels: NDArray[np.float64]
    """[accounts, 3]"""
    raw: NDArray[np.float64]
    """[accounts] raw influence."""
    network: list[str]


def accounts_of(partition: Partition, rows: NDArray[np.int64], own: NDArray[np.float64]) -> Accounts:
    """Return the accounts behind rows, int64[n], whose own levels are float64[n, 3]."""
    places, levels = list(range(len(rows))), [own]
    names = [network_of(name.decode()) for name in partition.index.names(rows)]
    for place in _persons(partition, rows).tolist():
        for part in partition.linking.parts(int(rows[place])):
            places.append(place)
            levels.append(np.array([part.levels]))
            names.append(network_of(part.account))
    known = bounded(np.concatenate(levels))
    return Accounts(np.array(places, np.int64), known, raw_influence(known), names)


def contributions(
    partition: Partition, rows: NDArray[np.int64], now: int, as_of: int | None = None
) -> dict[int, list[AccountContribution]]:
    """
    Return what the accounts among some settled rows have to tell the persons they belong to, and those they left.

    Args:
        partition: Settled.
        rows: int64[n], without repetition.
        now: Unix ms, when it is computed.
        as_of: Unix ms, not before the partition's own; that by default.
    """
    tied = partition.linking.accounts
    places = np.array([i for i, row in enumerate(rows.tolist()) if row in tied] if tied else [], np.int64)
    if not len(places):
        return {}
    rows = rows[places]
    as_of = partition.as_of if as_of is None else as_of
    seen = features(partition, rows, as_of)
    told: dict[int, list[AccountContribution]] = {}
    columns = zip(
        rows.tolist(),
        np.round(levels(seen), LEVEL_DIGITS).tolist(),
        seen.counts.tolist(),
        np.rint(seen.engagers).astype(np.int64).tolist(),
        model.score(seen).authenticity.tolist(),
        partition.last[rows].tolist(),
        strict=True,
    )
    for row, parts, counts, engagers, authenticity, last in columns:
        tidings = partition.linking.tidings(row)
        account, common = partition.ids[row].decode(), (reference().model, partition.version, now, as_of)
        told[row] = [
            AccountContribution(each, account, False, Levels(0.0, 0.0, 0.0), NOTHING, 0, 100, None, *common)
            for each in tidings.former
        ]
        if tidings.person is not None:
            windows = Windows(*(Counts(*window) for window in counts))
            own = (Levels(*parts), windows, engagers, authenticity, last or None)
            told[row].append(AccountContribution(tidings.person, account, True, *own, *common))
    return told

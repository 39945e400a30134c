"""Takes users out of a partition: their rows, and their ids out of the evidence of others."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.model import reference
from pipeline.state.lines import UNIT, as_units
from pipeline.state.linking import Tidings
from pipeline.state.partition import Partition
from pipeline.state.persons import NOTHING
from pipeline.state.xxh64 import escaped
from schemas import AccountContribution, Levels, is_user_id

CHUNK: Final = 16_384
"""Rows whose text is looked through at once: some 10 MB."""


def drop_rows(part: Partition, users: Iterable[str]) -> NDArray[np.int64]:
    """
    Empty the rows of users and take them out of the index.

    Returns:
        int64[n], the rows that were dropped. Their numbers are not given to others.
    """
    keys = [user.encode() for user in users if is_user_id(user)]
    rows = np.array([part.index[key] for key in keys if key in part.index], np.int64)
    if not len(rows):
        return rows
    part.settle()
    large = part.large[rows].astype(np.int64)
    part.large_rows.clear(large[large >= 0])
    part.large[rows] = -1
    part.small_rows.clear(rows)
    for section in part.sections:
        section.forget(rows.tolist())
    part.last[rows] = 0
    part.emitted[rows] = np.nan
    part.dirty[rows] = part.owed[rows] = False
    part.generation[rows] = 0
    if part.applied is not None:
        part.applied[rows] = 0
    for row in rows.tolist():
        part.evidence.pop(row, None)
        part.index.remove(row)
    return rows


def farewells(part: Partition, users: Iterable[str], now: int) -> list[AccountContribution]:
    """Return what tells the persons of users' accounts that these contribute no more; ask before `drop_rows`."""
    tied = part.linking.accounts
    if not tied:
        return []
    common = (Levels(0.0, 0.0, 0.0), NOTHING, 0, 100, None, reference().model, part.told, now, part.as_of)
    return [
        AccountContribution(person, user, False, *common)
        for user in users
        if (row := part.index.get(user.encode())) in tied and row is not None
        for person in _persons(part.linking.tidings(row))
    ]


def _persons(tidings: Tidings) -> list[str]:
    return [*tidings.former, *([tidings.person] if tidings.person is not None else [])]


def scrub(part: Partition, actors: Sequence[str]) -> NDArray[np.int64]:
    """
    Take actors out of the evidence of all rows; counts and scores stay, which do not say who it was.

    Returns:
        int64[n], the rows that named one of them: marked as changed.
    """
    if not actors:
        return np.zeros(0, np.int64)
    part.settle()
    touched = [row for row, evidence in part.evidence.items() if evidence.forget(actors)]
    touched += part.spikes.scrub(actors)
    needles = [escaped(actor) + b"\t" for actor in actors]
    lengths = part.small_rows.lines.lengths[: len(part)]
    rows = np.flatnonzero(lengths)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        text = part.small_rows.lines.gather(chunk).tobytes()
        if any(needle in text for needle in needles):
            touched += _scrub_lines(part, chunk, needles)
    found = np.array(sorted(set(touched)), np.int64)
    part.dirty[found] = True
    return found


def _scrub_lines(part: Partition, rows: NDArray[np.int64], needles: list[bytes]) -> list[int]:
    touched = []
    for row, text in zip(rows.tolist(), part.small_rows.texts(rows), strict=True):
        if not any(needle in text for needle in needles):
            continue
        lines = [line for line in text.split(b"\n") if line]
        kept = [line for line in lines if not any(line.startswith(needle) for needle in needles)]
        if len(kept) < len(lines):
            units = [as_units(line + b"\n") for line in kept]
            counts = np.array([sum(map(len, units))], np.int64)
            merged = np.concatenate(units) if units else np.zeros(0, UNIT)
            part.small_rows.lines.replace(np.array([row], np.int64), counts, merged)
            touched.append(row)
    return touched

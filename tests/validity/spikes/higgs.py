"""The Higgs record: the bursts of the most engaged, and a bought one beside them."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.baseline import HOURS
from pipeline.scoring.spikes import SPIKES
from pipeline.state.events import EVENT
from pipeline.state.spike_rows import SpikeRows
from pipeline.state.watches import Past
from schemas import Spike
from tests.validity.fold import Stamps, stamp, windows_for
from tests.validity.record import Record

MOST: Final = 10
BURST: Final = 20
"""Engagements in a minute."""
SOON: Final = 300
"""Seconds after the first such minute."""
BOUGHT: Final = 300
"""Engagements of the bought burst, within ten minutes."""
STEP: Final = 60


@dataclass(frozen=True, slots=True)
class Seen:
    """One of the most engaged users, and how their first minute of `BURST` engagements was told."""

    user: int
    engagements: int
    has_history: bool
    delay: float
    """Seconds from the beginning of that minute until the spike was open; nan: not within `SOON`."""
    authenticity: str


@dataclass(frozen=True, slots=True)
class HiggsSpikes:
    """What was found in the record."""

    leaders: list[Seen]
    bought: str
    """The authenticity of the bought burst; empty when it was not seen."""
    reasons: list[str]
    opened: int
    """Spikes of all users in the whole record."""
    users: int


def evaluate_higgs(record: Record) -> HiggsSpikes:
    """Play the record with a bought burst mixed in, a minute at a time."""
    stamps = stamp(record, windows_for(int(record.time[-1] - record.time[0])))
    victim = _middling(record)
    mixed, events, bought_at = _mixed(record, stamps, victim)
    told = _play(mixed, events)
    leaders = [_seen(record, told, user) for user in _most_engaged(record)]
    bought = [s for s in told if s.user == f"twitter:{victim}" and abs(s.began / 1000 - bought_at) < SOON]
    return HiggsSpikes(
        leaders,
        bought[-1].authenticity if bought else "",
        bought[-1].reasons if bought else [],
        sum(spike.status == "open" and spike.direction == "rise" for spike in told),
        len(np.unique(record.target)),
    )


def _most_engaged(record: Record) -> list[int]:
    users, counts = np.unique(record.target, return_counts=True)
    return users[np.argsort(-counts, kind="stable")[:MOST]].tolist()


def _middling(record: Record) -> int:
    """Return a user with some engagement, but no bursts: the hundredth."""
    users, counts = np.unique(record.target, return_counts=True)
    return int(users[np.argsort(-counts, kind="stable")[99]])


def _mixed(record: Record, stamps: Stamps, victim: int) -> tuple[Record, NDArray[np.void], int]:
    """Return the record with a burst by a like farm's accounts: some days old, hundreds of actions a day."""
    random = np.random.default_rng(1)
    at = int(record.time[0]) + 2 * 86_400 + 3_600
    n = BOUGHT
    time = np.concatenate([record.time, at + np.sort(random.integers(0, 600, n))])
    actor = np.concatenate([record.actor, 10_000_000 + np.arange(n)])
    target = np.concatenate([record.target, np.full(n, victim)])
    kind = np.concatenate([record.kind, np.ones(n, np.int64)])
    events = np.zeros(len(time), EVENT)
    events["actor"], events["time"], events["kind"] = actor, time, kind
    events["nth"] = np.minimum(np.concatenate([stamps.nth, random.integers(50, 600, n)]), 60_000)
    events["age"] = np.concatenate([stamps.age_days, random.integers(0, 5, n)]) + 1
    order = np.argsort(time, kind="stable")
    return Record(actor, target, time, kind).take(order), events[order], at


def _play(record: Record, events: NDArray[np.void]) -> list[Spike]:
    users, row = np.unique(record.target, return_inverse=True)
    ids = [f"twitter:{user}".encode() for user in users.tolist()]
    spikes = SpikeRows(SPIKES)
    spikes.grow(len(users))
    first = int(record.time[0]) // STEP
    cuts = np.searchsorted(record.time // STEP, np.arange(first, int(record.time[-1]) // STEP + 2))
    last_day = _LastDay(len(users))
    told: list[Spike] = []
    for step in range(len(cuts) - 1):
        part = slice(int(cuts[step]), int(cuts[step + 1]))
        order = np.argsort(row[part], kind="stable")
        as_of = (first + step + 1) * STEP - 1
        spikes.fold(row[part][order], events[part][order], as_of, last_day.past, lambda _: np.zeros(0, EVENT))
        last_day.add(row[part], as_of)
        spikes.tell(ids, step)
        told += [msgspec.json.decode(line, type=Spike) for lines in spikes.take_told().values() for line in lines]
    return told


class _LastDay:
    """What rows had in the day before, by the hour."""

    def __init__(self, users: int) -> None:
        self._hours = np.zeros((users, 24), np.int64)
        self._ever = np.zeros(users, np.bool_)
        self._hour = 0

    def add(self, rows: NDArray[np.int64], as_of: int) -> None:
        """Count engagements."""
        hour = as_of // 3600
        if hour != self._hour:
            self._ever |= self._hours.any(axis=1)
            self._hours[:, hour % 24] = 0
            self._hour = hour
        np.add.at(self._hours, (rows, hour % 24), 1)

    def past(self, rows: NDArray[np.int64]) -> Past:
        """Return what rows had; the hour under way may be the rush itself."""
        before = self._hours[rows].sum(axis=1) - self._hours[rows, self._hour % 24]
        known = np.where(self._ever[rows], HOURS - 1, 0)
        none = np.zeros(0, np.int64)
        return Past(before / 23, known, np.zeros(len(rows), np.bool_), none, none)


def _seen(record: Record, told: list[Spike], user: int) -> Seen:
    times = record.time[record.target == user]
    name = f"twitter:{user}"
    minutes, counts = np.unique(times // 60, return_counts=True)
    busy = minutes[counts >= BURST]
    if not len(busy):
        return Seen(user, len(times), has_history=False, delay=float("nan"), authenticity="")
    at = int(busy[0]) * 60
    has_history = bool((times < at - at % 3600 - 3600).any())
    delay, kind = float("nan"), ""
    state: Spike | None = None
    for spike in (spike for spike in told if spike.user == name and spike.direction == "rise"):
        if spike.time / 1000 > at + 60 + SOON:
            break
        state = spike
        if spike.status == "closed" and spike.time / 1000 < at:
            state = None
    if state is not None:
        opened = min(spike.time for spike in told if spike.id == state.id) / 1000
        delay, kind = max(0.0, opened - at), state.authenticity
    return Seen(user, len(times), has_history, delay, kind)

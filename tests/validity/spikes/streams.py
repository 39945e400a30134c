"""
Labelled streams: engagement with a daily rhythm, a trend and unrest of its own, and bursts put into it.

Engagement is a Poisson process whose rate differs by user, hour, day and trend, and wavers from hour to hour: what a
detector that expects the same every hour takes for a spike. Bursts of several shapes and sizes go on top.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MINUTE: Final = 60
DAY_MINUTES: Final = 1440
EPOCH: Final = 1_780_272_000
"""Midnight, UTC: streams begin there, in seconds."""

SHAPES: Final = ("flat", "decaying", "rising", "two humps")
SIZES: Final = (20, 50, 100, 300, 1000)
DURATIONS: Final = (3, 10, 30, 60)
"""Minutes."""
SILENCES: Final = (2, 4, 8)
"""Hours."""
RATIO: Final = 5.0
"""A burst makes at least so many times the rate that the user has at that time."""


@dataclass(frozen=True, slots=True)
class Bursts:
    """The labels: columns of n bursts."""

    user: Ints
    began: Ints
    """Seconds."""
    minutes: Ints
    size: Ints
    ratio: Floats
    """The mean rate within it, of the rate at that time without it."""
    shape: Ints
    """Index into `SHAPES`."""

    def __len__(self) -> int:
        """Return the number of bursts."""
        return len(self.user)

    @property
    def end(self) -> Ints:
        """[n] seconds."""
        return self.began + self.minutes * MINUTE

    def take(self, where: NDArray[np.bool_]) -> "Bursts":
        """Return some of the bursts."""
        columns = (self.user, self.began, self.minutes, self.size, self.ratio, self.shape)
        return Bursts(*(column[where] for column in columns))


@dataclass(frozen=True, slots=True)
class Streams:
    """Engagement with many users: columns of m events in the order of time, and the bursts in it."""

    users: int
    days: int
    user: Ints
    time: Ints
    """Seconds."""
    bursts: Bursts

    @property
    def end(self) -> int:
        """Seconds."""
        return EPOCH + self.days * DAY_MINUTES * MINUTE

    def by_minute(self) -> NDArray[np.int32]:
        """Return the events of each user in each minute, [users, minutes]."""
        minutes = self.days * DAY_MINUTES
        cell = self.user * minutes + (self.time - EPOCH) // MINUTE
        return np.bincount(cell, minlength=self.users * minutes).reshape(self.users, minutes).astype(np.int32)


def rates(level: Floats, days: int, random: np.random.Generator) -> Floats:
    """
    Return engagements per minute without bursts, [users, minutes].

    A daily rhythm (the quietest hour has a fifth of the busiest, at most), a trend of up to 8 % a day either way,
    days that differ by 15 % and hours that waver by 15 %: at midnight some change their level at once.
    """
    users, minutes = len(level), days * DAY_MINUTES
    at = np.arange(minutes)
    phase, swing = random.uniform(0, 2 * np.pi, users), random.uniform(0.1, 0.67, users)
    rhythm = 1 + swing[:, None] * np.sin(2 * np.pi * at / DAY_MINUTES + phase[:, None])
    trend = np.exp(random.uniform(-0.08, 0.08, users)[:, None] * (at / DAY_MINUTES - days / 2))
    by_day = np.exp(random.normal(0, 0.15, (users, days)))
    by_hour = _wavering(users, days * 24, random)
    unrest = np.repeat(by_day, DAY_MINUTES, axis=1) * np.repeat(by_hour, MINUTE, axis=1)
    return level[:, None] * rhythm * trend * unrest


def _wavering(users: int, hours: int, random: np.random.Generator) -> Floats:
    """Return factors that drift from hour to hour, [users, hours]: deviation 15 %, correlation 0.8."""
    wave = np.empty((users, hours))
    wave[:, 0] = random.normal(0, 1, users)
    steps = random.normal(0, np.sqrt(1 - 0.8**2), (users, hours))
    for hour in range(1, hours):
        wave[:, hour] = 0.8 * wave[:, hour - 1] + steps[:, hour]
    return np.exp(0.15 * wave)


def mixed(users: int, days: int, warm_up: int, random: np.random.Generator) -> Streams:
    """Return users from one engagement an hour to ten a minute, with bursts of all shapes and sizes."""
    level = np.exp(random.uniform(np.log(1 / 60), np.log(10), users))
    usual = rates(level, days, random)
    drawn = []
    for user in range(users):
        # One burst in two days, far from each other.
        slots = np.arange(warm_up * DAY_MINUTES + 120, days * DAY_MINUTES - 240, DAY_MINUTES // 2)
        for slot in slots[random.random(len(slots)) < 0.25].tolist():
            minute = slot + int(random.integers(0, 300))
            minutes, size = int(random.choice(DURATIONS)), int(random.choice(SIZES))
            rate = usual[user, minute : minute + minutes].mean()
            ratio = 1 + size / (rate * minutes)
            if ratio >= RATIO:
                drawn.append((user, minute, minutes, size, ratio, int(random.integers(len(SHAPES)))))
    return _with_bursts(usual, days, drawn, random)


def exact(users: int, days: int, warm_up: int, minutes: int, size: int, random: np.random.Generator) -> Streams:
    """Return busy users with bursts of one size and length, each put where it makes `RATIO` times the rate."""
    wanted = size / minutes / (RATIO - 1)
    usual = rates(wanted * np.exp(random.uniform(-0.2, 0.2, users)), days, random)
    drawn = []
    for user in range(users):
        for day in range(warm_up, days):
            here = usual[user, day * DAY_MINUTES : (day + 1) * DAY_MINUTES - minutes - 10]
            smooth = np.convolve(here, np.ones(minutes) / minutes, "valid")
            fits = np.flatnonzero(np.abs(smooth / wanted - 1) < 0.02)
            if len(fits):
                minute = int(random.choice(fits))
                drawn.append(
                    (user, day * DAY_MINUTES + minute, minutes, size, 1 + wanted * (RATIO - 1) / smooth[minute], 0)
                )
    return _with_bursts(usual, days, drawn, random)


def silent(users: int, days: int, warm_up: int, random: np.random.Generator) -> Streams:
    """Return users with one to ten engagements a minute who fall silent for hours, once in six days or so."""
    usual = rates(np.exp(random.uniform(np.log(1), np.log(10), users)), days, random)
    drawn = []
    for user in range(users):
        for slot in range(warm_up * DAY_MINUTES, (days - 1) * DAY_MINUTES, DAY_MINUTES):
            if random.random() < 1 / 6:
                minute, hours = slot + int(random.integers(0, 14 * 60)), int(random.choice(SILENCES))
                usual[user, minute : minute + hours * 60] = 0
                drawn.append((user, minute, hours * 60, 0, 0.0, 0))
    return _with_bursts(usual, days, drawn, random)


def _with_bursts(
    usual: Floats, days: int, drawn: list[tuple[int, int, int, int, float, int]], random: np.random.Generator
) -> Streams:
    users, minutes = usual.shape
    counts = random.poisson(usual).ravel()
    cell = np.repeat(np.arange(users * minutes), counts)
    user = [cell // minutes]
    time = [EPOCH + cell % minutes * MINUTE + random.integers(0, MINUTE, len(cell))]
    columns = [np.array(column) for column in zip(*drawn, strict=True)]
    began = EPOCH + columns[1] * MINUTE + random.integers(0, MINUTE, len(drawn))
    bursts = Bursts(columns[0], began, columns[2], columns[3], columns[4], columns[5])
    for number in range(len(bursts)):
        size = int(bursts.size[number])
        offsets = moments(SHAPES[bursts.shape[number]], size, random) * bursts.minutes[number] * MINUTE
        user.append(np.full(size, bursts.user[number]))
        time.append(began[number] + offsets.astype(np.int64))
    all_users, all_times = np.concatenate(user), np.concatenate(time)
    order = np.lexsort((all_users, all_times))
    return Streams(users, days, all_users[order], all_times[order], bursts)


def moments(shape: str, size: int, random: np.random.Generator) -> Floats:
    """Return when the engagements of a burst come, [size], as shares of its length."""
    even = random.random(size)
    if shape == "decaying":
        # Three time constants within the burst.
        return -np.log1p(-even * -np.expm1(-3.0)) / 3.0
    if shape == "rising":
        return np.sqrt(even)
    if shape == "two humps":
        hump = np.where(random.random(size) < 0.5, 0.2, 0.75)
        return np.clip(random.normal(hump, 0.1), 0.0, 0.999)
    return even

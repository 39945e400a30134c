"""Synthetic traffic: who engages with whom, how, and when; thousands of events at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.population import Population, populate
from pipeline.errors import ConfigError
from pipeline.topics import DAY_MS
from schemas import KINDS, Engagement, Post, Profile

SyntheticRecord = Engagement | Post | Profile

_BATCH: Final = 8192
_NOMINAL_RATE: Final = 50_000.0
_LEAST_USERS: Final = 50
"""So that every network has several."""
_KIND_SHARES: Final = (0.62, 0.16, 0.15, 0.07)
"""Likes, shares, comments, follows."""
_POSTS: Final = 0.06
_PROFILES: Final = 0.02
_REPEATS: Final = 0.005
_UNDOS: Final = 0.005
_LATE: Final = 0.01
_LATE_MEAN_MS: Final = 10 * 60_000
_BOT_EVENTS: Final = 0.03
_BOT_CLIENTS: Final = 20
"""Users that the bots lift, each bot the same ones."""
_BURST_EVERY: Final = 50_000
"""Events between the beginnings of two bursts, in the mean .."""
_BURST_LENGTH: Final = 5_000
""".. events that one lasts .."""
_BURST_SHARE: Final = 0.25
""".. and the share of them that goes to its target."""
_POSTS_EACH: Final = 8
"""Recent posts of a user that engagement goes to, the newest most."""
_TAGS: Final = (
    *("art", "books", "cats", "climate", "code", "cooking", "data", "design", "dogs", "film", "football", "games"),
    *("garden", "history", "jazz", "law", "maps", "math", "music", "news", "physics", "poetry", "politics"),
    *("science", "space", "sports", "tea", "travel", "weather", "wine"),
)
_TAGGED: Final = 0.3


@dataclass(frozen=True, slots=True)
class SyntheticConfig:
    """What traffic to make up."""

    users: int = 10_000
    rate: float | None = 1_000.0
    """Events per second; None is as fast as can be (`generate` then takes 50,000). `spread_days` has its own times."""
    events: int | None = None
    """Records in all: engagements, posts, profiles, repeats and undos; None never ends."""
    seed: int = 0
    start_ms: int = 0
    """Time of the first event; with `spread_days`, of the last."""
    spread_days: float = 0.0
    """Spread the events evenly over so many days that end at `start_ms`; needs `events`."""


def generate(config: SyntheticConfig) -> Iterator[list[SyntheticRecord]]:
    """
    Yield batches of records, in the order of time but for the late ones; the same for the same configuration.

    Raises:
        ConfigError: `spread_days` without `events`.
    """
    traffic = Traffic(config.users, config.seed, config.start_ms)
    begin, step = _schedule(config)
    done = 0
    while config.events is None or done < config.events:
        count = _BATCH if config.events is None else min(_BATCH, config.events - done)
        yield traffic.batch(count, begin + done * step, begin + (done + count) * step)
        done += count


def _schedule(config: SyntheticConfig) -> tuple[float, float]:
    """Return the time of the first event and the step between two, in ms."""
    if not config.spread_days:
        return float(config.start_ms), 1000 / (config.rate or _NOMINAL_RATE)
    if config.events is None:
        raise ConfigError("--spread needs --events: how many events to spread over the days")
    length = config.spread_days * DAY_MS
    return config.start_ms - length, length / config.events


class Traffic:
    """Makes up records; whoever calls says how many and for which time. Not for two threads."""

    def __init__(self, users: int, seed: int, epoch_ms: int) -> None:
        """
        Begin the traffic of a population.

        Args:
            users: How many there are, 50 at least.
            seed: The same seed, epoch and calls give the same records.
            epoch_ms: Makes the ids of this run differ from those of another.

        Raises:
            ConfigError: Too few users.
        """
        if users < _LEAST_USERS:
            raise ConfigError(f"--users {users}: {_LEAST_USERS} at least")
        self._rng = np.random.default_rng(seed)
        self._people: Population = populate(users, self._rng)
        self._serial = epoch_ms * 1000
        self._posted = np.zeros(users, np.int64)
        self._profiled = 0
        self._burst_left = 0
        self._burst_target = 0
        self._clients = self._people.ranking[users // 2 : users // 2 + _BOT_CLIENTS]
        self._recent: list[Engagement] = []
        """Engagements of the batch before: what repeats and undos come back to."""

    def batch(self, count: int, begin_ms: float, end_ms: float) -> list[SyntheticRecord]:
        """Return `count` records whose times go evenly from `begin_ms` to `end_ms`, late ones aside."""
        rng = self._rng
        profiles = min(rng.binomial(count, _PROFILES), len(self._people.ids) - self._profiled)
        posts = rng.binomial(count - profiles, _POSTS)
        back = min(rng.binomial(count - profiles - posts, _REPEATS + _UNDOS), len(self._recent))
        fresh = count - profiles - posts - back
        times = np.linspace(begin_ms, end_ms, count, endpoint=False).astype(np.int64)
        order = rng.permutation(count)
        engaged = self._engagements(np.sort(times[order[:fresh]]))
        others: list[SyntheticRecord] = [
            *self._write(np.sort(times[order[fresh : fresh + posts]])),
            *self._introduce(profiles, int(begin_ms)),
            *self._come_back(back),
        ]
        self._recent = engaged
        return self._mix(engaged, others)

    def _mix(self, engaged: list[Engagement], others: list[SyntheticRecord]) -> list[SyntheticRecord]:
        """Put the other records at random places among the engagements, which keep their order."""
        total = len(engaged) + len(others)
        out: list[SyntheticRecord | None] = [None] * total
        places = self._rng.choice(total, len(others), replace=False)
        for place, record in zip(np.sort(places).tolist(), others, strict=True):
            out[place] = record
        rest = iter(engaged)
        return [next(rest) if record is None else record for record in out]

    def _engagements(self, times: NDArray[np.int64]) -> list[Engagement]:
        n = len(times)
        targets, actors = self._pairs(n)
        late = self._rng.random(n) < _LATE
        times = times - late * self._rng.exponential(_LATE_MEAN_MS, n).astype(np.int64)
        kinds = self._rng.choice(len(KINDS), n, p=_KIND_SHARES)
        ages = np.minimum(self._rng.geometric(0.4, n), _POSTS_EACH) - 1
        numbers = np.maximum(self._posted[targets] - ages, 0)
        tags = self._tags(n)
        columns = zip(
            range(n),
            targets.tolist(),
            actors.tolist(),
            np.maximum(times, 0).tolist(),
            kinds.tolist(),
            numbers.tolist(),
            tags,
            strict=True,
        )
        serial, ids, networks = self._serial, self._people.ids, self._people.networks
        self._serial += n
        return [
            Engagement(
                f"{(actor_id := ids[actor])}/{(kind := KINDS[code])}/{serial + row:x}",
                kind,
                networks[target],
                actor_id,
                (target_id := ids[target]),
                time,
                None if code == 3 else f"{target_id}/post/{number}",
                tags=None if code == 3 else tag,
            )
            for row, target, actor, time, code, number, tag in columns
        ]

    def _pairs(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return targets and actors, [n] each: an actor is another user of the target's network."""
        people, rng = self._people, self._rng
        targets = _sample(people.popularity, rng.random(n))
        targets[self._burst(n)] = self._burst_target
        bots = rng.random(n) < _BOT_EVENTS
        targets[bots] = rng.choice(self._clients, int(bots.sum()))
        lows, highs = people.lows[targets], people.highs[targets]
        floor = np.where(lows > 0, people.activity[lows - 1], 0.0)
        actors = _sample(people.activity, floor + rng.random(n) * (people.activity[highs - 1] - floor))
        actors = np.clip(actors, lows, highs - 1)
        actors[bots] = self._bots_near(lows[bots], highs[bots], actors[bots])
        # Nobody engages with oneself: the neighbour does.
        same = actors == targets
        actors[same] = np.where(actors[same] + 1 < highs[same], actors[same] + 1, lows[same])
        return targets, actors

    def _bots_near(
        self, lows: NDArray[np.int64], highs: NDArray[np.int64], fallback: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return a bot of each network, or the fallback where a network has none."""
        bots = self._people.bots
        first, last = np.searchsorted(bots, lows), np.searchsorted(bots, highs)
        chosen = first + (self._rng.random(len(lows)) * (last - first)).astype(np.int64)
        return np.where(last > first, bots[np.minimum(chosen, len(bots) - 1)], fallback)

    def _burst(self, n: int) -> NDArray[np.bool_]:
        """Return which of n events belong to a burst; a burst begins now and then and goes on over the batches."""
        if not self._burst_left and self._rng.random() < n / _BURST_EVERY:
            self._burst_left = _BURST_LENGTH
            self._burst_target = int(self._rng.integers(len(self._people.ids)))
        length = min(n, self._burst_left)
        self._burst_left -= length
        return (np.arange(n) < length) & (self._rng.random(n) < _BURST_SHARE)

    def _tags(self, n: int) -> list[list[str] | None]:
        tagged = (self._rng.random(n) < _TAGGED).tolist()
        topics = self._rng.integers(0, len(_TAGS), n).tolist()
        return [[_TAGS[topic]] if has else None for has, topic in zip(tagged, topics, strict=True)]

    def _write(self, times: NDArray[np.int64]) -> list[Post]:
        people = self._people
        authors = _sample(people.popularity, self._rng.random(len(times)))
        posts = []
        for author, time, tags in zip(authors.tolist(), times.tolist(), self._tags(len(times)), strict=True):
            self._posted[author] += 1
            name = f"{people.ids[author]}/post/{self._posted[author]}"
            posts.append(
                Post(f"{name}/{self._serial:x}", people.networks[author], people.ids[author], time, name, tags)
            )
        return posts

    def _introduce(self, count: int, time: int) -> list[Profile]:
        """Return the profiles of users who have had none yet, the most popular first."""
        users = self._people.ranking[self._profiled : self._profiled + count]
        self._profiled += count
        return [self._people.profile(user, time) for user in users.tolist()]

    def _come_back(self, count: int) -> list[Engagement]:
        """Return earlier engagements: half of them sent again, half of them undone."""
        chosen = self._rng.choice(len(self._recent), count, replace=False).tolist() if count else []
        return [
            msgspec.structs.replace(self._recent[row], undo=True) if place % 2 else self._recent[row]
            for place, row in enumerate(chosen)
        ]


def _sample(cumulative: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.minimum(np.searchsorted(cumulative, at), len(cumulative) - 1)

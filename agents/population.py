"""The synthetic population: who they are, how popular, how busy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas import Profile

_NETWORKS: Final = {"bluesky": 0.4, "mastodon": 0.2, "twitter": 0.2, "github": 0.12, "nostr": 0.08}
"""Each network and its share of the users."""
_POPULARITY: Final = 0.9
"""Exponent of the Zipf law of who is engaged with: the first of 100,000 gets some 5 %."""
_ACTIVITY: Final = 0.6
"""The same of who engages: flatter, for nobody can do as much as a star receives."""
_BOTS: Final = 0.01
_FIRST: Final = ("ada", "ben", "chi", "dora", "emil", "fay", "gus", "hana", "ivo", "june", "kofi", "lena", "mio", "nia")
_LAST: Final = ("berg", "cole", "diaz", "east", "frost", "gold", "hall", "imai", "jones", "kim", "lund", "moss", "nord")
_BASE32: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


@dataclass(frozen=True, slots=True)
class Population:
    """Users 0 to n-1, the users of a network side by side."""

    ids: list[str]
    """User ids, of the length that each network's have."""
    networks: list[str]
    popularity: NDArray[np.float64]
    """[n] cumulative share of the engagement received, up to 1."""
    activity: NDArray[np.float64]
    """[n] cumulative share of the engagement given, up to 1."""
    lows: NDArray[np.int64]
    """[n] the first user of the same network."""
    highs: NDArray[np.int64]
    """[n] one past the last user of the same network."""
    ranking: NDArray[np.int64]
    """[n] users, the most popular first."""
    bots: NDArray[np.int64]
    """Users that act by the thousand."""
    followers: NDArray[np.int64]

    def profile(self, user: int, time: int) -> Profile:
        """Return what a user says of itself."""
        first, last = _FIRST[user % len(_FIRST)], _LAST[user // len(_FIRST) % len(_LAST)]
        handle = f"{first}{last}{user}"
        return Profile(
            user=self.ids[user],
            network=self.networks[user],
            time=time,
            name=f"{first.title()} {last.title()}",
            handle=f"{handle}.bsky.social" if self.networks[user] == "bluesky" else handle,
            followers=int(self.followers[user]),
            following=int(self.followers[user] ** 0.5) + user % 300,
            posts=user % 5000,
        )


def populate(users: int, rng: np.random.Generator) -> Population:
    """Return `users` users, the same for the same state of `rng`."""
    names = list(_NETWORKS)
    bounds = np.round(np.cumsum(list(_NETWORKS.values())) * users).astype(np.int64)
    starts = np.concatenate(([0], bounds[:-1]))
    sizes = bounds - starts
    ranks = rng.permutation(users) + 1
    popularity = ranks**-_POPULARITY
    activity = (rng.permutation(users) + 1.0) ** -_ACTIVITY
    return Population(
        ids=[user for name, size in zip(names, sizes.tolist(), strict=True) for user in _ids(name, size, rng)],
        networks=[name for name, size in zip(names, sizes.tolist(), strict=True) for _ in range(size)],
        popularity=np.cumsum(popularity) / popularity.sum(),
        activity=np.cumsum(activity) / activity.sum(),
        lows=np.repeat(starts, sizes),
        highs=np.repeat(bounds, sizes),
        ranking=np.argsort(ranks),
        bots=np.sort(rng.choice(users, max(1, int(users * _BOTS)), replace=False)),
        followers=(popularity * 2e6 * rng.lognormal(0, 1, users)).astype(np.int64),
    )


def _ids(network: str, count: int, rng: np.random.Generator) -> list[str]:
    if network == "bluesky":
        return [f"bluesky:did:plc:{text}" for text in _texts(_BASE32, 24, count, rng)]
    if network == "nostr":
        return [f"nostr:{text}" for text in _texts(_HEX, 64, count, rng)]
    # Snowflakes and serial numbers: distinct because of their step.
    step, first = {"mastodon": (7_919, 10**17), "twitter": (104_729, 10**9), "github": (613, 10**6)}[network]
    host = "mastodon.social/" if network == "mastodon" else ""
    return [f"{network}:{host}{first + step * i}" for i in range(count)]


def _texts(alphabet: NDArray[np.uint8], length: int, count: int, rng: np.random.Generator) -> list[str]:
    letters = alphabet[rng.integers(0, len(alphabet), (count, length))]
    return [text.decode("ascii") for text in letters.reshape(-1).view(f"S{length}").tolist()]

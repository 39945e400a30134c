"""
What an engagement is worth, and what an actor counts: integers, for the fold.

The weights are data (`data/weights.toml`, a source or a reason for each).
Everything here is a table look-up, so that it costs the fold next to nothing and gives the same on every machine.
Fixed point: `WORTH_ONE` is one ordinary like by an actor on their first action of the day, `ACTOR_ONE` a whole actor.
"""

from importlib.resources import files
from typing import Annotated, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

WORTH_ONE: Final = 1024
"""Fixed-point 1.0 of `worth`."""

ACTOR_ONE: Final = 1024
"""Fixed-point 1.0 of `quality` and `influence`."""

NO_SCORE: Final = 255
"""Stamp of an actor whose score nobody knew."""

NO_STAMP: Final = -1
"""Stands for a missing `nth` or `age_days`."""

Weight = tuple[Annotated[float, msgspec.Meta(ge=0.0, le=10.0)], str]


class KindWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One network's weights, each with its source or reason; the fields are the kinds in the contract's order."""

    like: Weight
    share: Weight
    comment: Weight
    follow: Weight


WEIGHTS: Final = msgspec.toml.decode(
    files("pipeline.scoring").joinpath("data/weights.toml").read_bytes(), type=dict[str, KindWeights]
)
"""The data file: network -> kind -> (weight, reason)."""

NETWORKS: Final[tuple[str, ...]] = tuple(WEIGHTS)
"""Networks with weights of their own; index 0 stands for every other."""

_INDEX: Final = {name: index for index, name in enumerate(NETWORKS)}

_KIND_WEIGHT: Final[NDArray[np.int64]] = np.rint(
    [[weight * WORTH_ONE for weight, _ in msgspec.structs.astuple(kinds)] for kinds in WEIGHTS.values()]
).astype(np.int64)
"""int64[networks, 4]: worth of a first action of the day."""

NTH_LAST: Final = 4095
"""Busier actors count as this busy: by then an action is worth a thirtieth, and the tables stay in the cache."""

NTH_DEFAULT: Final = 5
"""Without a stamp an action counts as the sixth of the day: neither rewarded nor punished for what nobody knows."""


def _fixed(part: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return parts of 1 in fixed point, `ACTOR_ONE` for 1."""
    scaled: NDArray[np.int64] = np.rint(part * ACTOR_ONE).astype(np.int64)
    return scaled


def _selectivity() -> NDArray[np.int64]:
    """
    Return the share that an action keeps by its place in the actor's day, int64[1 + NTH_LAST + 1], index nth + 1.

    1 / (1 + ln(1 + nth/10) + nth/200): Klout's rule "the more a person likes and retweets in a given day, the less
    each of those individual interactions contributes" (klout.com/corp/score, 2013). The logarithm leaves an ordinary
    day's ten or twenty actions most of their worth; the linear term makes the sum over a whole day grow like a
    logarithm too, so that a like farm gains next to nothing from its second thousand.
    """
    nth = np.concatenate(([NTH_DEFAULT], np.arange(NTH_LAST + 1))).astype(np.float64)
    return _fixed(1.0 / (1.0 + np.log1p(nth / 10.0) + nth / 200.0))


def _presence() -> NDArray[np.int64]:
    """
    Return how far an actor is present by the worth of what they did, int64[4 * WORTH_ONE + 1].

    1 - exp(-2.5 w): one full like makes 0.92 of a person, whatever follows only the rest;
    a mass actor's faint action makes little of one.
    """
    worth = np.arange(4 * WORTH_ONE + 1) / WORTH_ONE
    return _fixed(-np.expm1(-2.5 * worth))


def _standing() -> NDArray[np.int64]:
    """
    Return how far an actor's score vouches for them, int64[256], by 2 * score; NO_SCORE and above 200: nobody knows.

    From 0.7 (nobody ever engaged with them, as with most bots and with many readers) to 1, most of it by a score of 20,
    the average: being a person takes no fame.
    """
    standing = 0.7 + 0.3 * -np.expm1(-np.arange(256) / 2.0 / 8.0)
    standing[201:] = 0.85
    return _fixed(standing)


AGE_LAST: Final = 60
"""Days after which an actor's age says nothing more."""


def _seniority() -> NDArray[np.int64]:
    """
    Return how far an actor's age in days vouches for them, int64[1 + AGE_LAST + 1], index age + 1.

    0.6 on the first day, 0.9 after a week: PeerIndex, too, believed a rise only after a week (help.peerindex.com).
    Unknown: 0.9. No less on the first day, because everyone is new to a new deployment and to a new network.
    """
    age = np.arange(AGE_LAST + 1)
    return _fixed(np.concatenate(([0.9], 1.0 - 0.4 * np.exp(-age / 5.0))))


def _restraint() -> NDArray[np.int64]:
    """
    Return how far an actor's day looks like a person's, int64[1 + NTH_LAST + 1], index nth + 1: 1 / (1 + (nth/150)^2).

    Twenty actions a day cost nothing, 150 half: nobody chooses that many things with care.
    """
    nth = np.concatenate(([0], np.arange(NTH_LAST + 1))).astype(np.float64)
    return np.maximum(1, _fixed(1.0 / (1.0 + (nth / 150.0) ** 2)))


def _influence() -> NDArray[np.int64]:
    """
    Return how influential an actor is, int64[256], by 2 * score: 4 + 1020 (score/100)^3; unknown as a score of 16.

    Convex, because scores grow like the logarithm of influence: an actor at 90 weighs 60 times one at 20.
    Never 0: everyone moves someone (TunkRank's 1 + p * influence; Tunkelang 2009).
    """
    score = np.arange(256) / 200.0
    influence = 4.0 + 1020.0 * score**3
    influence[201:] = 8.0
    return np.rint(influence).astype(np.int64)


_SELECTIVITY: Final = _selectivity()
_PRESENCE: Final = _presence()
_STANDING: Final = _standing()
_SENIORITY: Final = _seniority()
_RESTRAINT: Final = _restraint()
_INFLUENCE: Final = _influence()


def network_index(name: str) -> int:
    """Return the row of a network's weights: 0 for a network without weights of its own."""
    return _INDEX.get(name, 0)


def worth(network: NDArray[np.int64], kind: NDArray[np.int64], nth: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return what each of n engagements is worth.

    Args:
        network: int64[n], from `network_index`.
        kind: int64[n], 0 to 3: like, share, comment, follow.
        nth: int64[n], how many actions the actor had made that day; `NO_STAMP` when unknown.

    Returns:
        int64[n], `WORTH_ONE` for an ordinary like; falls with `nth`, never below 1 for a weight above 0.1.
    """
    return (_KIND_WEIGHT[network, kind] * _SELECTIVITY[np.clip(nth, NO_STAMP, NTH_LAST) + 1]) >> 10


def quality(
    worth: NDArray[np.int64], score: NDArray[np.int64], age_days: NDArray[np.int64], nth: NDArray[np.int64]
) -> NDArray[np.int64]:
    """
    Return how far each of m actors counts as a person who was reached.

    Rises with `worth`, `score` and `age_days`, falls with `nth`; never 0 for an actor who did anything of worth.
    A caller that merges several engagements of one actor keeps the greatest quality: a further one never lowers it.

    Args:
        worth: int64[m], the worth of what the actor did, `WORTH_ONE` for one like.
        score: int64[m], twice the actor's score (0 to 200), `NO_SCORE` when unknown.
        age_days: int64[m], days since the actor was first seen, `NO_STAMP` when unknown.
        nth: int64[m], as for `worth`.

    Returns:
        int64[m], 0 to `ACTOR_ONE`.
    """
    presence = _PRESENCE[np.clip(worth, 0, 4 * WORTH_ONE)]
    vouched = _STANDING[np.clip(score, 0, NO_SCORE)] * _SENIORITY[np.clip(age_days, NO_STAMP, AGE_LAST) + 1]
    person = (presence * vouched) >> 20
    return np.where(presence > 0, np.maximum(1, (person * _RESTRAINT[np.clip(nth, NO_STAMP, NTH_LAST) + 1]) >> 10), 0)


def influence(score: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return how influential each of m actors is.

    Args:
        score: int64[m], twice the actor's score (0 to 200), `NO_SCORE` when unknown.

    Returns:
        int64[m], 4 to `ACTOR_ONE`: convex in the score.
    """
    return _INFLUENCE[np.clip(score, 0, NO_SCORE)]

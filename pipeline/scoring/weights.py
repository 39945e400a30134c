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

from pipeline.scoring.credit import NO_STAMP, NTH_LAST, credit

WORTH_ONE: Final = 1024
"""Fixed-point 1.0 of `worth`."""

ACTOR_ONE: Final = 1024
"""Fixed-point 1.0 of `quality` and `influence`."""

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

FOLLOW: Final = 3
"""The kind's place in the contract's order."""

_INDEX: Final = {name: index for index, name in enumerate(NETWORKS)}

_KIND_WEIGHT: Final[NDArray[np.int64]] = np.rint(
    [[weight * WORTH_ONE for weight, _ in msgspec.structs.astuple(kinds)] for kinds in WEIGHTS.values()]
).astype(np.int64)
"""int64[networks, 4]: worth of a first action of the day."""

NTH_DEFAULT: Final = 5
"""Without a stamp an action counts as the sixth of the day: neither rewarded nor punished for what nobody knows."""

AGE_DEFAULT: Final = 7
"""
Days for which an actor without that stamp is taken to be known: no newcomer, and vouched for a little less than fully.
"""

SCORE_DEFAULT: Final = 20
"""Twice the score of an actor without that stamp: half the average."""


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

    1 - exp(-4 w): one like makes a whole person, nearly, and whatever follows only the rest; a busy actor's faint like
    (a third of one at their twentieth action) makes three quarters of one.
    """
    worth = np.arange(4 * WORTH_ONE + 1) / WORTH_ONE
    return _fixed(-np.expm1(-4.0 * worth))


def _standing() -> NDArray[np.int64]:
    """
    Return how far an actor's score vouches for them, int64[201], by 2 * score.

    From 0.7 (nobody ever engaged with them, as with most bots and with many readers) to 1, most of it by a score of 20,
    the average: being a person takes no fame.
    """
    return _fixed(0.7 + 0.3 * -np.expm1(-np.arange(SCORE_LAST + 1) / 2.0 / 8.0))


SCORE_LAST: Final = 200
"""Twice the highest score."""

AGE_LAST: Final = 60
"""Days after which an actor's age says nothing more."""


def _seniority() -> NDArray[np.int64]:
    """
    Return how far an actor's age in days vouches for them, int64[AGE_LAST + 1].

    0.8 on the first day, 0.95 after a week: PeerIndex, too, believed a rise only after a week (help.peerindex.com).
    No less on the first day, because everyone is new to a new deployment, and because newness alone is no suspicion.
    """
    return _fixed(1.0 - 0.2 * np.exp(-np.arange(AGE_LAST + 1) / 5.0))


def _influence() -> NDArray[np.int64]:
    """
    Return how influential an actor is, int64[201], by 2 * score: 4 + 1020 (score/100)^3.

    Convex, because scores grow like the logarithm of influence: an actor at 90 weighs 60 times one at 20.
    Never 0: everyone moves someone (TunkRank's 1 + p * influence; Tunkelang 2009).
    """
    score = np.arange(SCORE_LAST + 1) / 200.0
    return np.rint(4.0 + 1020.0 * score**3).astype(np.int64)


_SELECTIVITY: Final = _selectivity()
_PRESENCE: Final = _presence()
_STANDING: Final = _standing()
_SENIORITY: Final = _seniority()
_INFLUENCE: Final = _influence()


def network_index(name: str) -> int:
    """Return the row of a network's weights: 0 for a network without weights of its own."""
    return _INDEX.get(name, 0)


def worth(
    network: NDArray[np.int64],
    kind: NDArray[np.int64],
    nth: NDArray[np.int64],
    age_days: NDArray[np.int64],
    mutual: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """
    Return what each of n engagements is worth.

    Args:
        network: int64[n], from `network_index`.
        kind: int64[n], 0 to 3: like, share, comment, follow.
        nth: int64[n], how many actions the actor had made that day; `NO_STAMP` when unknown.
        age_days: int64[n], days since the actor was first seen; `NO_STAMP` when unknown.
        mutual: bool[n], the target engages with the actor, too.

    Returns:
        int64[n], `WORTH_ONE` for an ordinary like; falls with `nth`, to 0 for what is not believed.
    """
    selective = (_KIND_WEIGHT[network, kind] * _SELECTIVITY[np.clip(nth, NO_STAMP, NTH_LAST) + 1]) >> 10
    believed = credit(nth, age_days, mutual, mutual & (kind == FOLLOW))
    return (selective * believed) >> 10


def quality(
    worth: NDArray[np.int64], score: NDArray[np.int64], age_days: NDArray[np.int64], credit: NDArray[np.int64]
) -> NDArray[np.int64]:
    """
    Return how far each of m actors counts as a person who was reached.

    Rises with each of its arguments, so that a caller who merges several engagements of one actor, keeping the most
    credible of each stamp, never lowers it by a further one.

    Args:
        worth: int64[m], the worth of what the actor did, `WORTH_ONE` for one like.
        score: int64[m], twice the actor's score (0 to 200), `NO_STAMP` when unknown.
        age_days: int64[m], as for `worth`.
        credit: int64[m], from `credit.credit`.

    Returns:
        int64[m], 0 to `ACTOR_ONE`.
    """
    presence = _PRESENCE[np.clip(worth, 0, 4 * WORTH_ONE)]
    age = np.where(age_days < 0, AGE_DEFAULT, np.minimum(age_days, AGE_LAST))
    person = (presence * _STANDING[_known_score(score)] * _SENIORITY[age]) >> 20
    return (person * credit) >> 10


def influence(score: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return how influential each of m actors is.

    Args:
        score: int64[m], twice the actor's score (0 to 200), `NO_STAMP` when unknown.

    Returns:
        int64[m], 4 to `ACTOR_ONE`: convex in the score.
    """
    return _INFLUENCE[_known_score(score)]


def _known_score(score: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(score < 0, SCORE_DEFAULT, np.minimum(score, SCORE_LAST))

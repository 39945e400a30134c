"""
Explanations: how many points of a score each factor and each network is worth.

Exact Shapley values (Shapley 1953, "A value for n-person games"): a player's gain averaged over all orders of joining.
They add up to the score and treat equal players equally.
The one point that nobody can fall below is shared evenly, so that the parts add up to the score itself.
"""

from collections.abc import Callable
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.accumulation import accumulate
from pipeline.scoring.factors import FACTORS, clamped
from pipeline.scoring.model import reference

MOST_PLAYERS: Final = 12
"""Coalitions double with each player: 4,096 for a person on twelve networks."""

Value = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""The scores, float64[n], of the players that a mask, bool[players], lets in."""


def factor_points(levels: NDArray[np.float64], person: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """
    Return the points of each factor, over all accounts of each person.

    Args: as for `accumulation.accumulate`.

    Returns:
        float64[n, 3] in the order of `FACTORS`: each row adds up to the person's score.
    """
    return shapley(len(FACTORS), lambda mask: accumulate(levels * mask, person, n).score)


def network_points(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the points of each network of one person.

    Args:
        raw: float64[networks], the raw influence on each, at least one.

    Returns:
        float64[networks], which add up to the person's score. With more than `MOST_PLAYERS` networks the least
        influential play as one and share alike: together they are next to nothing.
    """
    known = clamped(raw)
    order = np.argsort(-known, kind="stable")
    player = np.empty(len(known), np.int64)
    player[order] = np.minimum(np.arange(len(known)), MOST_PLAYERS - 1)
    joint = np.bincount(player, known)
    points = shapley(len(joint), lambda mask: reference().score(np.log1p(joint[mask].sum(keepdims=True))))[0]
    shared: NDArray[np.float64] = (points / np.bincount(player))[player]
    return shared


def shapley(players: int, value: Value) -> NDArray[np.float64]:
    """
    Return the Shapley values of a game in which nobody gets nothing, float64[n, players].

    Args:
        players: How many play, 1 to `MOST_PLAYERS`.
        value: What a coalition gets; asked once for every coalition but the empty one, which gets 0.
    """
    if not 1 <= players <= MOST_PLAYERS:
        raise ValueError(f"{players} players: exact values are for 1 to {MOST_PLAYERS}")
    coalitions = (np.arange(1 << players)[:, None] >> np.arange(players) & 1).astype(np.bool_)
    values = [value(coalition) for coalition in coalitions[1:]]
    worth = np.stack([np.zeros_like(values[0]), *values])
    points = np.zeros((worth.shape[1], players))
    for index, coalition in enumerate(coalitions[:-1]):
        weight = 1.0 / (players * comb(players - 1, int(coalition.sum())))
        for player in np.flatnonzero(~coalition):
            points[:, player] += weight * (worth[index | 1 << int(player)] - worth[index])
    return points

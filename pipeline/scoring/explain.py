"""
Explanations: how many points of a score each factor, or each linked account, is worth.

Exact Shapley values (Shapley 1953, "A value for n-person games"): a player's gain averaged over all orders of joining.
They add up to the score and treat equal players equally.
The one point that nobody can fall below is shared evenly, so that the parts add up to the score itself.
"""

from collections.abc import Callable
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.factors import FACTOR_WEIGHTS, FACTORS, clamped, levels
from pipeline.scoring.features import Features
from pipeline.scoring.model import REFERENCE

MOST_PLAYERS: Final = 12
"""Coalitions double with each player: 4,096 for a person with twelve accounts."""

Value = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""The scores, float64[n], of the players that a mask, bool[players], lets in."""


def contributions(features: Features) -> NDArray[np.float64]:
    """Return the points of each factor, float64[n, 3] in the order of `FACTORS`: each row adds up to the score."""
    weighted = levels(features) * FACTOR_WEIGHTS
    return shapley(len(FACTORS), lambda mask: REFERENCE.score(weighted[:, mask].sum(axis=1)))


def account_contributions(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the points that each linked account is worth.

    Args:
        raw: float64[n, accounts] raw influences, 0 where a person has fewer accounts; at most `MOST_PLAYERS` accounts.

    Returns:
        float64[n, accounts]: each row adds up to the score that `model.combine` gives.
    """
    known = clamped(raw)
    return shapley(raw.shape[1], lambda mask: REFERENCE.score(np.log1p(known[:, mask].sum(axis=1))))


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

"""
Spikes: whether engagement rose or fell beyond its baseline, by Page's cumulative sum of likelihood ratios.

The evidence for a rise is the greatest log-likelihood ratio, over all moments since when it may have begun, of
`RATIO` times the baseline against the baseline, of a Poisson process: each engagement adds ln(RATIO), time takes away
(RATIO - 1) times what it is expected to bring, and below 0 the evidence begins anew (Page, "Continuous inspection
schemes", Biometrika 1954; Lucas, "Counted data CUSUM's", Technometrics 1985). No test finds a rise of a given size
sooner at the same rate of false alerts (Moustakides 1986), small counts have their exact tails, and what is less than
`RATIO_HELD` times the baseline never adds up. For a drop it is the same with a `RATIO`th of the baseline.

Sums are integers in fixed point (`ONE`), so that the same counts give the same evidence on every machine.
"""

from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BIN_SECONDS: Final = 5
"""Events are counted in bins of event time: in which order they came within one, or before, does not matter."""

BINS_AN_HOUR: Final = 3600 // BIN_SECONDS

RATIO: Final = 5.0
"""The rise that is found soonest, in baselines; a larger one is found sooner still."""

RATIO_HELD: Final = (RATIO - 1) / log(RATIO)
"""2.49: lesser rises are never a spike, however long they last."""

ONE: Final = 1 << 16
"""Fixed-point 1.0 of evidence."""

BUSY: Final = 240.0
"""Engagements an hour from which on an account has so many tests a day that chance needs a higher bar."""

LEVELS: Final = 5
LEVEL_STEP: Final = 4
"""Each level is four times the evidence of the one before."""

_JUMP: Final = round(log(RATIO) * ONE)
_LAPSE: Final = (RATIO - 1.0) * ONE / BINS_AN_HOUR
_RETURN: Final = (1.0 - 1.0 / RATIO) * ONE / BINS_AN_HOUR
_APART: Final = 1 << 44
"""More than any row's sums differ by: sets the rows apart in one running minimum."""


@dataclass(frozen=True, slots=True)
class SpikeConfig:
    """Settings of a deployment. Every process must use the same."""

    evidence: float = 14.5
    """Natural logarithm of the likelihood ratio that opens a spike; each unit makes false alerts 2.7 times rarer."""
    least: int = 10
    """Engagements that a rise needs."""
    cooldown_seconds: int = 900
    """A rise is over when so long nothing was above twice the baseline; what follows sooner belongs to it."""

    @property
    def threshold(self) -> int:
        """`evidence` in fixed point."""
        return round(self.evidence * ONE)

    def thresholds(self, high: NDArray[np.float64]) -> Ints:
        """
        Return what opens a rise above baselines, [m] in fixed point.

        A false alert is as likely after each engagement: beyond `BUSY` the evidence asked for grows with the logarithm
        of the baseline, so that the busiest have no more of them than others. They reach it sooner, too.
        """
        more: Ints = np.rint(np.log(np.maximum(high / BUSY, 1.0)) * ONE).astype(np.int64)
        return self.threshold + more

    @property
    def cooldown(self) -> int:
        """The cool-down in bins."""
        return max(1, self.cooldown_seconds // BIN_SECONDS)


SPIKES: Final = SpikeConfig()
"""What a deployment has that sets nothing else."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Counted bins of several accounts: columns of m entries, sorted by account and bin, without repetition."""

    start: Ints
    """[n] where each account's entries begin."""
    bins: Ints
    """[m] event time in bins."""
    counts: Ints
    """[m]"""
    high: NDArray[np.float64]
    """[m] the baseline, engagements per hour."""

    @property
    def account(self) -> Ints:
        """[m] the place of each entry's account."""
        return np.repeat(np.arange(len(self.start)), np.diff(self.start, append=len(self.bins)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much speaks for a rise: after each entry [m], or as of a moment for each account [n]."""

    sums: Ints
    """Fixed point."""
    began: Ints
    """The bin since when."""
    counted: Ints
    """Engagements since then."""

    def at(self, places: Ints) -> "Evidence":
        """Return some of them."""
        return Evidence(self.sums[places], self.began[places], self.counted[places])


def rises(runs: Runs, before: Evidence, since: Ints) -> Evidence:
    """
    Return the evidence for a rise after each entry.

    A bin's time is charged whole before its engagements are counted: further ones only add to it.

    Args:
        runs: m entries of n accounts.
        before: [n], the evidence before the first entry of each account.
        since: [n], the bin up to which `before` speaks.
    """
    account = runs.account
    gap = np.diff(runs.bins, prepend=0)
    gap[runs.start] = runs.bins[runs.start] - since
    lapse = np.rint(gap * (runs.high * _LAPSE)).astype(np.int64)
    jump = runs.counts * _JUMP
    total = np.cumsum(jump - lapse)
    at_start = (total - jump + lapse)[runs.start]
    total -= at_start[account]
    valley = total - jump
    is_new, least = _running_least(valley, -before.sums, account)
    places = np.arange(len(account))
    turned = np.maximum.accumulate(np.where(is_new, places, runs.start[account]))
    carried = ~_any_before(is_new, runs.start, account)
    counted = np.cumsum(runs.counts)
    own = counted - (counted - runs.counts)[turned]
    return Evidence(
        total - least,
        np.where(carried, before.began[account], runs.bins[turned]),
        np.where(carried, own + before.counted[account], own),
    )


def _running_least(valley: Ints, first: Ints, account: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Return where the running minimum, from `first` on, falls or is met again, and the minimum, by account."""
    apart = account * _APART
    floor = np.minimum(valley, first[account]) - apart
    least = np.minimum.accumulate(floor) + apart
    return valley <= least, least


def _any_before(marks: NDArray[np.bool_], start: Ints, account: Ints) -> NDArray[np.bool_]:
    """Return whether an account has a mark at or before each of its entries."""
    seen = np.cumsum(marks)
    return seen > (seen - marks)[start][account]


def charged(high: float, rate: float, bins: int) -> int:
    """Return what the evidence of a rise loses when its baseline turns out to be `rate` instead of `high`."""
    return round(max(rate - high, 0.0) * _LAPSE * bins)


def silence(low: NDArray[np.float64], bins: Ints) -> Ints:
    """Return the evidence for a drop that quiet bins add, [n]; `low` is engagements per hour."""
    added: Ints = np.rint(bins * (low * _RETURN)).astype(np.int64)
    return added


def heard(evidence: Ints, counts: Ints) -> Ints:
    """Return what is left of the evidence for a drop after some engagements, [n]."""
    left: Ints = np.maximum(evidence - counts * _JUMP, 0)
    return left


def level(evidence: int, threshold: int) -> int:
    """Return the level of a spike, 1 to `LEVELS`; 0 below the threshold."""
    reached = 0
    while reached < LEVELS and evidence >= threshold:
        reached += 1
        threshold *= LEVEL_STEP
    return reached

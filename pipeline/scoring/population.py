"""
The reference population: what turns a raw influence into a score from 1 to 100 and a percentile.

A score says where someone stands among everyone, so its scale is fitted to a population once, versioned and shipped as
data (`data/clout-1.json`), never to the users at hand: a score does not change because others come and go.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError

MEAN_SCORE: Final = 20.0
"""The average that a fit aims at; Klout's was "around 20" (therealtimereport.com, 2012/04)."""

TAIL: Final = 1e-5
"""The share of the population that `TAIL_SCORE` is fitted to."""

TAIL_SCORE: Final = 86.0
"""The score that only `TAIL` of the population passes: below 90, so that a somewhat heavier tail keeps 90 as rare."""


class Curve(msgspec.Struct, frozen=True):
    """
    A level's way to a share of 100: y / (1 + y^bend)^(1/bend) with y = (level / unit)^2.

    Strictly increasing: it bends towards 1 and never reaches it.
    Levels are logarithms of engagement, so each further point takes a multiple of it: the higher, the harder.
    The square keeps the first points modest: from nothing, one fan is worth a few points, whatever they do.
    """

    unit: float
    bend: float

    def share(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return shares of the whole, 0 to 1, for levels of any shape, 0 or more."""
        y = np.square(level / self.unit)
        share: NDArray[np.float64] = y / (1.0 + y**self.bend) ** (1.0 / self.bend)
        return share

    def level(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the levels that have these shares, 0 to 1; what no level reaches counts as a hair below 1."""
        known = np.clip(share, 0.0, 1.0 - 1e-9)
        powered = known**self.bend
        y = (powered / (1.0 - powered)) ** (1.0 / self.bend)
        level: NDArray[np.float64] = self.unit * np.sqrt(y)
        return level


class Reference(msgspec.Struct, frozen=True):
    """A scoring model's reference distribution."""

    model: str
    """The name that is stamped on every score."""
    source: str
    """The population it was fitted to."""
    curve: Curve
    """From the level of influence to the score."""
    factors: tuple[Curve, Curve, Curve]
    """From each factor's level to its value of 0 to 100."""
    levels: list[float]
    """Quantiles of the population's level of influence, rising strictly."""
    below: list[float]
    """The share of the population below each of `levels`."""

    def score(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores within [1, 100], float64[n], for levels of influence, 0 or more."""
        return 1.0 + 99.0 * self.curve.share(level)

    def level(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the levels of influence, float64[n], that scores of 1 to 100 stand for."""
        return self.curve.level((score - 1.0) / 99.0)

    def percentile(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the population with a lower score, float64[n], 0 to 100."""
        return 100.0 * np.interp(level, self.levels, self.below)


def load(name: str) -> Reference:
    """
    Return a reference distribution.

    Args:
        name: A model that the package ships, or the path of a file that `clout calibrate` wrote: `..json`.

    Raises:
        ConfigError: There is none, or the file holds something else.
    """
    path = Path(name) if name.endswith(".json") else files("pipeline.scoring").joinpath(f"data/{name}.json")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Reference)
    except OSError as error:
        raise ConfigError(f"CLOUT_MODEL: there is no model {name}; `clout calibrate` writes one") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"CLOUT_MODEL: {name} is no model that `clout calibrate` wrote: {error}") from error


def fit(model: str, source: str, level: NDArray[np.float64], factors: NDArray[np.float64]) -> Reference:
    """
    Fit a reference distribution to a population.

    Args:
        model: The name of the version.
        source: What the population is.
        level: float64[n] levels of influence.
        factors: float64[n, 3] levels of the factors.

    Returns:
        The reference: the average user at `MEAN_SCORE`, one in 1 / `TAIL` above `TAIL_SCORE`.
    """
    curve = _fit_curve(_summary(level), _tail(level))
    one, two, three = (Curve(_unit_for_mean(_summary(column), curve.bend), curve.bend) for column in factors.T)
    below = _shares(len(level))
    quantiles, first = np.unique(np.quantile(level, below), return_index=True)
    return Reference(
        model, source, curve, (one, two, three), [round(q, 6) for q in quantiles.tolist()], below[first].tolist()
    )


def _tail(level: NDArray[np.float64]) -> float:
    """
    Return the level that `TAIL` of the population passes.

    A population of less than ten times 1 / `TAIL` says nothing about so few: its tail is continued as it begins. Levels
    are logarithms of engagement, whose power law is a straight line in them against the logarithm of the share beyond.
    """
    near, far = 0.1, max(TAIL, 10.0 / len(level))
    begin, end = np.quantile(level, [1.0 - near, 1.0 - far])
    return float(end + (end - begin) / np.log(near / far) * np.log(far / TAIL))


def _summary(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 10,000 evenly spaced quantiles: they have the population's mean, at a hundredth of the work."""
    summary: NDArray[np.float64] = np.quantile(level, (np.arange(10_000) + 0.5) / 10_000)
    return summary


def _fit_curve(level: NDArray[np.float64], tail: float) -> Curve:
    """Return the curve that puts the mean at `MEAN_SCORE` and `tail` at `TAIL_SCORE`; bisection on the bend."""
    low, high = 0.25, 16.0
    for _ in range(40):
        bend = round((low + high) / 2, 4)
        curve = Curve(_unit_for_mean(level, bend), bend)
        if 1.0 + 99.0 * float(curve.share(np.array(tail))) < TAIL_SCORE:
            low = bend
        else:
            high = bend
    return curve


def _unit_for_mean(level: NDArray[np.float64], bend: float) -> float:
    """Return the unit on which the population's mean is `MEAN_SCORE`; bisection on its logarithm."""
    low, high = 1e-3, 1e3
    for _ in range(40):
        unit = float(np.sqrt(low * high))
        if 1.0 + 99.0 * float(Curve(unit, bend).share(level).mean()) > MEAN_SCORE:
            low = unit
        else:
            high = unit
    return round(unit, 4)


def _shares(n: int) -> NDArray[np.float64]:
    """Return the shares whose quantiles are kept: every percent, and ten to each decade of the upper tail."""
    decades = float(np.log10(n)) - 2.0
    tail = 1.0 - 10.0 ** -np.linspace(2.0, 2.0 + decades, max(2, round(10 * decades)))
    shares: NDArray[np.float64] = np.concatenate((np.arange(0.0, 0.99, 0.01), tail, [1.0]))
    return shares.round(9)

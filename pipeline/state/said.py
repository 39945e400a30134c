"""What engagements say as text, taken from the run they came in, until it is applied with the others staged."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.decode import Scanned
from pipeline.state.lines import Line, lines_of, read_lines
from pipeline.state.slabs import ranges, sorting

EVIDENCE_A_RUN: Final = 16
"""Events of large rows that evidence takes of a run; of more (a replay at full speed) it takes an even sample."""

EVIDENCE_A_SHORT_RUN: Final = 8
"""The same of a run of fewer than `SHORT_RUN` records: live traffic has hundreds of them in a second."""

SHORT_RUN: Final = 1_000

_Ints = NDArray[np.int64]
_Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Said:
    """Lines of n engagements, and what they are for."""

    rows: _Ints
    times: _Ints
    """Seconds."""
    is_kept: _Marks
    """For the row itself, which is small."""
    weights: _Ints
    """Engagements that each stands for in the evidence of a large row; 0 where it is not for that."""
    is_named: _Marks
    """For the burst of the row."""
    counts: _Ints
    """The units of each line."""
    units: NDArray[np.void]
    """[sum of counts]"""

    @classmethod
    def of(cls, decoded: Scanned, rows: _Ints, is_large: _Marks, is_collecting: _Marks, chosen: _Marks) -> "Said":
        """
        Take what is text at once: afterwards the records need not wait in memory.

        Args:
            decoded: A run of n engagements.
            rows: [n]
            is_large: [n], which of the rows are large.
            is_collecting: [n], which of them have a burst.
            chosen: [n], which engagements may leave a trace.
        """
        most = EVIDENCE_A_RUN if len(rows) >= SHORT_RUN else EVIDENCE_A_SHORT_RUN
        is_kept, is_named = chosen & ~is_large, np.zeros(len(rows), np.bool_)
        weights = np.zeros(len(rows), np.int64)
        sample, step = _sample(chosen & is_large, most)
        weights[sample] = step
        is_named[_sample(chosen & is_collecting, most)[0]] = True
        places = np.flatnonzero(is_kept | is_named | (weights > 0))
        counts, units = lines_of(decoded.buffer, decoded.events.take(places))
        times = decoded.times[places] // 1000
        return cls(rows[places], times, is_kept[places], weights[places], is_named[places], counts, units)

    @classmethod
    def joined(cls, runs: "list[Said]") -> "Said":
        """Return what runs say, one after the other."""
        columns = zip(
            *((run.rows, run.times, run.is_kept, run.weights, run.is_named, run.counts, run.units) for run in runs),
            strict=True,
        )
        return cls(*map(np.concatenate, columns))

    def kept(self) -> tuple[_Ints, _Ints, NDArray[np.void]]:
        """Return the rows of the lines for small rows, sorted, their units, and all of these."""
        places = np.flatnonzero(self.is_kept)
        places = places[sorting(self.rows[places])]
        return self.rows[places], self.counts[places], self._units_at(places)

    def evidence(self) -> Iterator[tuple[int, int, int, bool, Line]]:
        """Yield row, time, weight, whether it is for the row's burst, and line of the engagements that others keep."""
        places = np.flatnonzero(self.is_named | (self.weights > 0))
        lines = read_lines(self._units_at(places).tobytes())
        columns = (self.rows, self.times, self.weights, self.is_named)
        return zip(*(column[places].tolist() for column in columns), lines, strict=True)

    def _units_at(self, places: _Ints) -> NDArray[np.void]:
        starts = np.cumsum(self.counts) - self.counts
        return self.units.take(ranges(starts[places], self.counts[places]))


def _sample(marks: _Marks, most: int) -> tuple[_Ints, int]:
    """Return the places of an even sample of what is marked, no more than `most`, and what each stands for."""
    places = np.flatnonzero(marks)
    step = -(-len(places) // most)
    return (places[::step], step) if step > 1 else (places, 1)

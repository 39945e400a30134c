"""
Sliced windows and the kernels that fade with time.

Each window is cut into 12 slices aligned to the epoch in event time.
What happened in a slice counts with one weight: the kernel at the age of the slice's middle.
All weights are integers (`KERNEL_ONE` is 1.0), so that sums do not depend on their order.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SLICES: Final = 12
"""Slices of a window."""

WINDOW_NAMES: Final = ("1h", "24h", "7d", "90d")
HOUR, DAY, WEEK, QUARTER = range(4)

SCALE_WINDOWS: Final = (DAY, WEEK, QUARTER)
"""The windows that feed the score, each a time scale of its own, in the order of `Features`' last axis."""

KERNEL_BITS: Final = 16
KERNEL_ONE: Final = 1 << KERNEL_BITS
"""Fixed-point 1.0 of a kernel."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The widths of the four windows' slices, in seconds. A window is 12 slices long."""

    slice_seconds: tuple[int, int, int, int] = (300, 7_200, 50_400, 648_000)

    def scaled(self, factor: float) -> "Windows":
        """Return windows that are `factor` times as long; a slice is at least one second."""
        hour, day, week, quarter = (max(1, round(width * factor)) for width in self.slice_seconds)
        return Windows((hour, day, week, quarter))

    def length(self, window: int) -> int:
        """Return the length of a window in seconds."""
        return SLICES * self.slice_seconds[window]

    def head(self, window: int, as_of: int) -> int:
        """Return the number of the slice that `as_of` (seconds) lies in."""
        return as_of // self.slice_seconds[window]

    def slice_kernel(self, window: int, as_of: int) -> NDArray[np.int64]:
        """
        Return the kernel of each slice of a window, newest first.

        Args:
            window: `DAY`, `WEEK` or `QUARTER`.
            as_of: Seconds.

        Returns:
            int64[12]: `KERNEL_ONE` for what happened now, falling to 0 at the window's end.
        """
        width = self.slice_seconds[window]
        head = self.head(window, as_of)
        middle = (head - np.arange(SLICES, dtype=np.int64)) * width + width // 2
        return self.kernel(window, as_of - middle)

    def kernel(self, window: int, age: NDArray[np.int64]) -> NDArray[np.int64]:
        """
        Return the weight of what is `age` seconds old, on a window's scale.

        The shape is (1 - x^2)^2 of the age as a share x of the window (the biweight of Tukey's smoothers):
        1 and flat at no age, 0 and flat at the window's end, so that nothing drops off a cliff.
        """
        share = np.clip(age.astype(np.float64) / self.length(window), 0.0, 1.0)
        weight = (1.0 - share * share) ** 2
        return np.rint(weight * KERNEL_ONE).astype(np.int64)


WINDOWS: Final = Windows()
"""The windows of every deployment: 1 h, 24 h, 7 d and 90 d."""

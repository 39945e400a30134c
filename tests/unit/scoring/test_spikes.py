"""The evidence for a rise, against the sum that it stands for."""

from math import log

import numpy as np
import pytest

from pipeline.scoring.spikes import ONE, RATIO_HELD, SPIKES, Evidence, Runs, SpikeConfig, level, rises


def summed(runs: Runs, before: Evidence, since: np.ndarray) -> list[tuple[int, int, int]]:
    """Return what `rises` must, one event after the other."""
    told = []
    ends = [*runs.start[1:].tolist(), len(runs.bins)]
    for account, (start, end) in enumerate(zip(runs.start.tolist(), ends, strict=True)):
        total, began, counted = (int(c[account]) for c in (before.sums, before.began, before.counted))
        last = int(since[account])
        for i in range(start, end):
            at = int(runs.bins[i])
            total -= round((at - last) * (runs.high[i] * 4.0 * ONE / 720))
            last = at
            if total <= 0:
                total, began, counted = 0, at, 0
            total += int(runs.counts[i]) * round(log(5) * ONE)
            counted += int(runs.counts[i])
            told.append((total, began, counted))
    return told


@pytest.mark.parametrize("seed", range(20))
def test_the_evidence_is_the_cumulative_sum_of_likelihood_ratios(seed: int) -> None:
    """Of several accounts at once, with what came before: sums, beginnings and counts."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 40, random.integers(1, 6))
    start = np.append(0, np.cumsum(lengths)[:-1])
    bins = np.concatenate([np.sort(random.choice(np.arange(100, 500), n, replace=False)) for n in lengths])
    runs = Runs(start, bins, random.integers(1, 5, len(bins)), random.uniform(4, 600, len(bins)))
    n = len(start)
    before = Evidence(random.integers(0, 4, n) * ONE, random.integers(0, 90, n), random.integers(0, 9, n))
    since = np.full(n, 90)
    found = rises(runs, before, since)
    assert list(zip(*(c.tolist() for c in (found.sums, found.began, found.counted)), strict=True)) == summed(
        runs, before, since
    )


def test_less_than_two_and_a_half_baselines_never_add_up() -> None:
    """A steady rate below `RATIO_HELD` times the baseline is no evidence, however long it lasts; above it is."""
    bins = np.arange(1, 5000)

    def evidence(times: float) -> int:
        counts = np.full(len(bins), 10)
        runs = Runs(np.array([0]), bins, counts, np.full(len(bins), 7200.0 / times))
        nothing = np.zeros(1, np.int64)
        return int(rises(runs, Evidence(nothing, nothing, nothing), nothing).sums[-1])

    assert evidence(RATIO_HELD - 0.05) < 20 * ONE
    assert evidence(RATIO_HELD + 0.05) > 100 * ONE


def test_the_busiest_need_more_evidence() -> None:
    """By the logarithm of their baseline, so that false alerts are as rare for them."""
    quiet, busy = SPIKES.thresholds(np.array([60.0, 240.0 * 10]))
    assert quiet == SPIKES.threshold
    assert busy == pytest.approx(SPIKES.threshold + log(10) * ONE, abs=1)


def test_each_level_is_four_times_the_evidence() -> None:
    """From nothing to the fifth, which is the last."""
    threshold = SpikeConfig(evidence=10).threshold
    levels = [level(round(threshold * times), threshold) for times in (0.99, 1, 3.99, 4, 16, 64, 256, 10_000)]
    assert levels == [0, 1, 1, 2, 3, 4, 5, 5]

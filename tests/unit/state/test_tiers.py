"""Small rows become large, actors become a sample: the score must not see it."""

import random
from unittest import mock

import msgspec
import numpy as np
import pytest

from pipeline.scoring.credit import SIGNALS
from pipeline.state import actors, partition
from pipeline.state.actors import DOUBTED_SAMPLE, SAMPLE
from pipeline.state.partition import SMALL_LIMIT
from schemas import Tick
from tests.unit.state.log import DAY, NOW, columns, crowd, document, documents, engagement, fold, folded, log_of, post
from tests.unit.state.model import Model

SIGMAS = 4.0


def test_a_small_row_may_hold_no_more_than_a_sample_does() -> None:
    """Otherwise the step from one to the other would lose actors."""
    assert SMALL_LIMIT <= SAMPLE


@pytest.mark.parametrize("n", [SMALL_LIMIT, SMALL_LIMIT + 1, 2 * SMALL_LIMIT, 500])
@pytest.mark.parametrize("step", [1, 5, SMALL_LIMIT, 10_000])
def test_a_row_that_grows_scores_as_it_would_in_one_go(n: int, step: int) -> None:
    """One event at a time or all at once: the same features, the same document."""
    log = log_of(*crowd(n), *[post(time=NOW - i * DAY) for i in range(7)])
    grown, _ = fold(log, step=step, settle=True)
    whole, _ = fold(log)
    assert columns(grown) == columns(whole)
    assert documents(grown) == documents(whole)
    assert (grown.large[0] >= 0) == (n + 7 > SMALL_LIMIT)


@pytest.mark.parametrize("n", [1, 20, SMALL_LIMIT, 100, SAMPLE])
def test_both_tiers_say_the_same_of_the_same_events(n: int) -> None:
    """As long as the sample holds everybody, nothing tells a small row from a large one."""
    log = log_of(*crowd(n), *[post(time=NOW - i * DAY) for i in range(7)], Tick("t", NOW))
    seen = []
    for limit in (0, 10_000):
        with mock.patch.object(partition, "SMALL_LIMIT", limit):
            part, _ = fold(log)
        seen.append((columns(part), documents(part)))
        assert (part.large[0] >= 0) == (limit == 0)
    assert seen[0] == seen[1]


def test_up_to_a_sample_a_slice_the_engagers_are_exact() -> None:
    """Twelve slices with as many actors as a sample holds each: none is turned away."""
    events = [
        engagement(f"bluesky:a{age}-{i}", time=NOW - age * 648_000_000) for age in range(12) for i in range(SAMPLE)
    ]
    assert columns(folded(*events))["engagers"] == [12 * SAMPLE]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("n", "days"), [(1_000, 80), (1_000, 3), (20_000, 80), (20_000, 3)])
def test_many_engagers_are_estimated_within_four_sigma(n: int, days: float, seed: int) -> None:
    """A bottom-k sample's standard error is 1 / sqrt(k - 2), whether the crowd came within days or months."""
    estimate = columns(folded(*crowd(n, seed=seed, days=days)))["engagers"][0]
    assert abs(estimate - n) <= SIGMAS * n / np.sqrt(DOUBTED_SAMPLE - 2)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_sample_says_of_a_share_is_within_four_sigma(seed: int) -> None:
    """Whom a signal takes out of the count is known of the sampled ones, and stands for all."""
    events = crowd(20_000, seed=seed, days=80)
    seen = columns(folded(*events))
    model = Model()
    for event in events:
        model.add(event)
    truth = model.discounted("bluesky:target")
    for signal, count in enumerate(truth):
        share = count / 20_000
        sigma = 20_000 * (np.sqrt(share * (1 - share)) + share) / np.sqrt(DOUBTED_SAMPLE - 2)
        assert abs(seen["discounted"][0][signal] - count) <= SIGMAS * sigma, SIGNALS[signal]


@pytest.mark.parametrize("sample", [8, SAMPLE])
def test_a_sample_does_not_depend_on_the_order(sample: int) -> None:
    """Any order, any batches, any rhythm of settling: the same sample to the last digit."""
    events = [*crowd(3_000, days=60), *crowd(400, seed=2, days=5)]
    events += [engagement(f"bluesky:a1-{i % 500}", kind="share", time=NOW - i * 3_600_000) for i in range(1_500)]
    events.append(engagement(time=NOW))
    with mock.patch.object(actors, "SAMPLE", sample):
        first, _ = fold(log_of(*events))
        expected = columns(first)
        for seed, step in [(1, 10_000), (2, 700), (3, 61)]:
            random.Random(seed).shuffle(events)
            part, _ = fold(log_of(*events), step=step, settle=True)
            assert columns(part) == expected
            assert part.large_rows.samples == first.large_rows.samples


def test_further_engagement_by_a_sampled_actor_changes_no_number_of_people() -> None:
    """The crowd engages again: as many engagers as before."""
    events = crowd(2_000, days=5)
    once = columns(folded(*events))["engagers"]
    again = [msgspec.structs.replace(event, id=f"again-{event.id}") for event in events]
    assert columns(folded(*events, *again))["engagers"] == once


def test_a_crowd_that_left_the_windows_is_forgotten() -> None:
    """After 91 days of silence nobody is left, and the next engager is counted exactly."""
    log = log_of(*crowd(5_000, days=80))
    part, _ = fold(log)
    later = NOW + 98 * DAY
    log.add(Tick("t", later), timestamp=later)
    fold(log, part)
    assert columns(part)["engagers"] == [0]
    assert document(part).score == 1.0
    log.add(engagement("bluesky:new", time=later), timestamp=later)
    fold(log, part)
    assert columns(part)["engagers"] == [1]


@pytest.mark.parametrize("days", range(0, 100, 8))
def test_silence_never_raises_the_number_of_engagers(days: int) -> None:
    """As slices leave the window, the estimate follows those that stay."""
    events = [*crowd(200, days=80), *crowd(3_000, seed=2, days=2)]
    part = folded(*events)
    counts = [columns(part, NOW + at * DAY)["engagers"][0] for at in (days, days + 8)]
    assert counts[1] <= counts[0] * 1.5

"""What an engagement is believed, by its stamps alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.credit import (
    CREDIT_ONE,
    DOUBTED,
    DOUBTED_FROM,
    NEW_DAYS,
    NO_STAMP,
    SIGNALS,
    credit,
    losses,
)

OLD = 400

nths = st.integers(-1, 10_000)
ages = st.integers(-1, 4_000)


def believed(nth: int, age: int = OLD, *, mutual: bool = False, returned: bool = False) -> int:
    """Return the credit of one engagement."""
    return int(credit(np.array([nth]), np.array([age]), np.array([mutual]), np.array([returned]))[0])


def taken(nth: int, age: int = OLD, *, mutual: bool = False, returned: bool = False) -> dict[str, int]:
    """Return what each signal takes from one actor."""
    lost = losses(np.array([nth]), np.array([age]), np.array([mutual]), np.array([returned]))[0]
    return dict(zip(SIGNALS, lost.tolist(), strict=True))


@pytest.mark.parametrize("nth", [NO_STAMP, 0, 5, 10])
@pytest.mark.parametrize("age", [NO_STAMP, OLD])
def test_an_ordinary_day_costs_nothing(nth: int, age: int) -> None:
    """Ten actions, or nobody knows how many."""
    assert believed(nth, age) > 0.98 * CREDIT_ONE


def test_newness_and_reciprocity_alone_cost_nothing() -> None:
    """A newcomer among new accounts, a fan club whose members are answered."""
    assert believed(4, 0) > 0.98 * CREDIT_ONE
    assert believed(4, mutual=True) > 0.98 * CREDIT_ONE


def test_a_hundred_actions_a_day_are_hardly_believed() -> None:
    """And no further ones at all."""
    assert believed(100) < CREDIT_ONE / 100
    assert believed(1_000) == 0


@pytest.mark.parametrize("close", [{"age": 1}, {"mutual": True}], ids=["new", "mutual"])
def test_who_is_new_or_trades_is_doubted_sooner(close: dict[str, int]) -> None:
    """By a quarter of the actions."""
    assert believed(20, **close) < believed(20) / 2  # type: ignore[arg-type]


def test_a_returned_follow_is_worth_nothing() -> None:
    """Whoever returns it."""
    assert believed(0, returned=True, mutual=True) == 0


@given(nths, ages, st.booleans(), st.booleans())
def test_credit_and_losses_make_a_whole(nth: int, age: int, mutual: bool, returned: bool) -> None:
    """What is not believed is taken by a signal that has a name."""
    lost = taken(nth, age, mutual=mutual, returned=returned)
    assert min(lost.values()) >= 0
    assert believed(nth, age, mutual=mutual, returned=returned) + sum(lost.values()) == CREDIT_ONE


def test_each_signal_is_named() -> None:
    """By what the engagement adds to mere mass activity."""
    assert max(taken(100), key=taken(100).__getitem__) == "mass activity"
    assert taken(15, 1)["new and busy"] > 0 == taken(15, 1)["traded engagement"]
    assert taken(15, mutual=True)["traded engagement"] > 0 == taken(15, mutual=True)["new and busy"]
    assert taken(0, mutual=True, returned=True) == {SIGNALS[0]: 0, SIGNALS[1]: 0, SIGNALS[2]: CREDIT_ONE}


@given(nths, nths, ages, ages, st.booleans(), st.booleans())
def test_the_more_credible_stamps_of_two_never_have_less_credit(
    nth: int, other: int, age: int, later: int, mutual: bool, both: bool
) -> None:
    """G6: merging what an actor did keeps the least place, the greatest age, and whether all of it was mutual."""
    known = [max(n, 0) for n in (nth, other)]
    grown = [NEW_DAYS if a < 0 else a for a in (age, later)]
    merged = believed(min(known), max(grown), mutual=mutual and both)
    assert merged >= believed(known[0], grown[0], mutual=mutual)
    assert merged >= believed(known[1], grown[1], mutual=both)


def test_what_may_be_doubted_begins_where_it_says() -> None:
    """The state looks at nothing below it."""
    assert believed(DOUBTED_FROM, mutual=True) < DOUBTED <= believed(DOUBTED_FROM - 1, mutual=True)
    assert believed(DOUBTED_FROM, 0) < DOUBTED

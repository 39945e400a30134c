"""Ties between rows: the newest counts, whatever the order; what is restored is what was held."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state.linking import ACCOUNTS_LIMIT, Linking, Part


def part(account: str = "n:a", version: int = 1, **fields: Any) -> Part:
    """Return a part that one account adds."""
    values = {"linked": True, "levels": (1.0, 1.0, 1.0), "counts": (version,) * 16, "engagers": 1}
    values |= {"authenticity": 100, "last": None, "time": 0, "as_of": version}
    return Part(account=account, version=version, **{**values, **fields})


def test_a_new_person_leaves_the_former_one_to_be_told() -> None:
    """Whom an account contributed to must hear that it does no more."""
    linking = Linking()
    assert linking.link(7, "n:p")
    assert linking.link(7, "n:q")
    assert (linking.tidings(7).person, linking.tidings(7).former) == ("n:q", ["n:p"])
    linking.told(7, ["n:p"])
    assert linking.tidings(7).former == []
    assert linking.person(7) == "n:q"


def test_an_account_that_comes_back_has_not_left() -> None:
    """A former person who is the present one again must not hear of an end."""
    linking = Linking()
    for person in ("n:p", "n:q", None, "n:p"):
        linking.link(1, person)
    assert (linking.tidings(1).person, linking.tidings(1).former) == ("n:p", ["n:q"])


def test_an_account_without_ties_takes_no_memory() -> None:
    """After the end was told nothing is left of a link."""
    linking = Linking()
    linking.link(1, "n:p")
    linking.link(1, None)
    assert 1 in linking.accounts
    linking.told(1, ["n:p"])
    assert len(linking) == 0
    assert not linking.accounts


def test_the_same_link_again_is_no_news() -> None:
    """A replayed identity changes nothing."""
    linking = Linking()
    assert linking.link(1, "n:p")
    assert linking.take_relinked() == {1}
    assert not linking.link(1, "n:p")
    assert not linking.link(2, None)
    assert not linking.take_relinked()


@given(st.permutations([(version, time) for version in range(3) for time in range(3)]))
def test_the_newest_contribution_counts_in_any_order(order: list[tuple[int, int]]) -> None:
    """By version, then by time: a late or repeated one changes nothing."""
    linking = Linking()
    newest = (-1, -1)
    for version, time in order:
        outcome = linking.contribute(0, part(version=version, time=time))
        assert outcome == ("applied" if (version, time) > newest else "late")
        newest = max(newest, (version, time))
        assert linking.contribute(0, part(version=version, time=time)) in {"duplicate", "late"}
    (held,) = linking.parts(0)
    assert (held.version, held.time) == (2, 2)


def test_an_end_is_remembered() -> None:
    """A contribution from before the end does not bring an account back."""
    linking = Linking()
    linking.contribute(0, part(version=5))
    assert linking.contribute(0, part(version=7, linked=False)) == "applied"
    assert linking.parts(0) == []
    assert 0 not in linking.persons
    assert linking.contribute(0, part(version=6)) == "late"
    assert linking.parts(0) == []


def test_accounts_are_held_in_the_order_of_their_ids() -> None:
    """Floats are added in this order, so it must not depend on who came first."""
    names = [f"n:{i}" for i in range(20)]
    orders = []
    for seed in range(3):
        random.Random(seed).shuffle(names)
        linking = Linking()
        for name in names:
            linking.contribute(0, part(name))
        orders.append([held.account for held in linking.parts(0)])
    assert orders[0] == orders[1] == orders[2] == sorted(names)


def test_a_person_has_a_limited_number_of_accounts() -> None:
    """One too many is refused, those held go on, and one that left makes room."""
    linking = Linking()
    for i in range(ACCOUNTS_LIMIT):
        assert linking.contribute(0, part(f"n:{i}")) == "applied"
    assert linking.contribute(0, part("n:more")) == "full"
    assert linking.contribute(0, part("n:3", version=2)) == "applied"
    assert linking.contribute(0, part("n:5", version=2, linked=False)) == "applied"
    assert linking.contribute(0, part("n:more")) == "applied"
    assert len(linking.parts(0)) == ACCOUNTS_LIMIT
    assert "n:5" not in {held.account for held in linking.parts(0)}


@pytest.mark.parametrize("person", [None, "n:p"])
def test_what_is_restored_is_what_was_held(person: str | None) -> None:
    """The changelog's bytes hold all of it, and nothing restored is news."""
    linking, again = Linking(), Linking()
    linking.link(3, "n:before")
    linking.link(3, person)
    linking.contribute(3, part())
    linking.contribute(3, part("n:b", linked=False))
    ((place, held),) = linking.encode(np.array([1, 3]))
    assert place == 1
    again.restore([4], [held])
    assert again.tidings(4) == linking.tidings(3)
    assert again.parts(4) == linking.parts(3)
    assert (again.accounts, again.persons, again.take_relinked()) == ({4}, {4}, set())
    assert list(again.encode(np.array([4]))) == [(0, held)]
    again.forget([4, 5])
    assert (again.accounts, again.persons, len(again)) == (set(), set(), 0)

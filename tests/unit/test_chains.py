"""Chains of offsets: everything is in one, in an order that one fold can go."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.chains import chains

_OFFSETS = st.dictionaries(st.sampled_from(("likes", "shares", "ticks")), st.integers(0, 5))


def test_one_owners_documents_are_one_chain() -> None:
    """Grouped by the offsets they carry, the earliest first, so that the log is folded once."""
    known = [({"likes": 9}, "a"), ({"likes": 2}, "b"), ({"likes": 9}, "c"), ({"likes": 4, "ticks": 3}, "d")]
    assert chains(known[:3]) == [[({"likes": 2}, ["b"]), ({"likes": 9}, ["a", "c"])]]
    # What a document does not name its partition had not read.
    assert chains(known) == [
        [({"likes": 2}, ["b"]), ({"likes": 4, "ticks": 3}, ["d"])],
        [({"likes": 9}, ["a", "c"])],
    ]


def test_two_owners_who_read_in_different_orders_are_two_chains() -> None:
    """And where they meet again one goes on."""
    known = [
        ({"likes": 5, "shares": 0}, "first"),
        ({"likes": 1, "shares": 3}, "second"),
        ({"shares": 0, "likes": 6}, "first again"),
        ({"likes": 7, "shares": 7}, "both"),
    ]
    assert [[group for _, group in chain] for chain in chains(known)] == [
        [["second"], ["both"]],
        [["first"], ["first again"]],
    ]


@given(st.lists(_OFFSETS))
def test_everything_is_compared_once_and_nothing_after_what_knows_more(known: list[dict[str, int]]) -> None:
    """Whatever the offsets are."""
    found = chains((offsets, number) for number, offsets in enumerate(known))
    numbers = sorted(number for chain in found for _, group in chain for number in group)
    assert numbers == list(range(len(known)))
    for chain in found:
        for offsets, group in chain:
            assert all(known[number] == offsets for number in group)
        for (before, _), (after, _) in pairwise(chain):
            assert all(offset <= after.get(name, 0) for name, offset in before.items())


def test_nothing_known_is_no_chain() -> None:
    """A partition without documents."""
    assert chains([]) == []

"""The oracle on contributions: it agrees with the truth, and tells of each sort of lie."""

from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.contributed import Contributed, Disagreement
from pipeline.state.partition import Partition
from pipeline.state.persons import contributions
from pipeline.state.sources import SOURCES
from schemas import AccountContribution, Identity, Levels
from tests.unit.state.log import NOW, crowd, folded


def partition() -> Partition:
    """Return a partition with one linked account, which was linked to somebody else before."""
    links = (Identity("n:account", "n:former", NOW - 5), Identity("n:account", "n:person", NOW))
    return folded(*crowd(12, target="n:account"), *links)


def told(part: Partition, **changes: Any) -> Contributed:
    """Return what the account told, with some lie in what it told its person."""
    contributed = Contributed()
    offsets = dict(zip(SOURCES, part.positions.tolist(), strict=True))
    for sent in contributions(part, np.array([part.index[b"n:account"]]), NOW)[part.index[b"n:account"]]:
        contributed.add(msgspec.structs.replace(sent, **(changes if sent.linked else {})), offsets)
    return contributed


def disagreements(part: Partition, contributed: Contributed) -> list[str]:
    """Return what the account should have told."""
    return [each.text for each in contributed.disagreements(part)]


def problems(part: Partition, contributed: Contributed) -> list[str]:
    """Return all that the oracle finds."""
    (((offsets, group),),) = contributed.chains(part)
    assert offsets == dict(zip(SOURCES, part.positions.tolist(), strict=True))
    return contributed.differences(part, group) + disagreements(part, contributed)


def test_the_truth_is_found_right() -> None:
    """What the fold itself would send is what the oracle expects, the end of the former link too."""
    part = partition()
    assert problems(part, told(part)) == []


@pytest.mark.parametrize(
    ("lie", "named"),
    [
        ({"engagers": 11}, "engagers"),
        ({"levels": Levels(0.0, 0.0, 0.0)}, "levels"),
        ({"last": 1}, "last"),
        ({"authenticity": 1}, "authenticity"),
        ({"user": "n:else"}, "n:else"),
        ({"linked": False}, "linked=False"),
    ],
)
def test_each_lie_is_told(lie: dict[str, Any], named: str) -> None:
    """A wrong value, a wrong person, an end that was none."""
    part = partition()
    assert any(named in problem for problem in problems(part, told(part, **lie)))


def test_silence_is_told() -> None:
    """An account that never told its person anything, and a former person who still counts it."""
    part = partition()
    silence = Disagreement("n:account", -1, "n:account: has told n:person nothing")
    assert Contributed().disagreements(part) == [silence]
    contributed = told(part)
    newer: AccountContribution = next(each.sent for _, each in contributed._of(part) if not each.sent.linked)
    contributed.add(msgspec.structs.replace(newer, linked=True, time=NOW + 1), {})
    assert "n:account: n:former does not know that it belongs to n:person" in disagreements(part, contributed)


def test_the_newest_counts_whatever_the_order() -> None:
    """A zombie's contribution after the owner's is none of the oracle's business."""
    part = partition()
    contributed = told(part)
    for _, each in list(contributed._of(part)):
        contributed.add(msgspec.structs.replace(each.sent, version=1, engagers=99), {})
    assert problems(part, contributed) == []

"""Attacks gain next to nothing where honest crowds gain much: what `make validity` does, for fewer seeds."""

from functools import cache

import pytest

from tests.validity.attack_report import attacks_json, attacks_table, broken_promises
from tests.validity.attacks import ALL_DAY, ATTACKS, HONEST
from tests.validity.simulation import STARTS, Move, simulate

SEEDS = 2


@cache
def moves() -> list[Move]:
    """Return what the simulation finds, computed once."""
    return simulate(SEEDS)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_gains_less_than_five_points_where_its_control_gains_ten(attack: str) -> None:
    """From scores of 1, 20 and 50."""
    found = [move for move in moves() if move.scenario == attack]
    assert len(found) == SEEDS * len(STARTS)
    assert broken_promises(found) == []


@pytest.mark.parametrize("attack", sorted(ATTACKS.keys() - {"fan", "pod", "quotes"}))
def test_the_discount_takes_nothing_away(attack: str) -> None:
    """G6: whom a rival buys bots for has the score that they had before."""
    assert [move.suspect for move in moves() if move.scenario == attack and move.suspect < 0] == []


@pytest.mark.parametrize("crowd", HONEST)
def test_an_honest_crowd_is_not_discounted(crowd: str) -> None:
    """A mutual fan club and a newcomer among new accounts score as their controls do, and are authentic."""
    found = [move for move in moves() if move.scenario == crowd]
    assert len(found) == SEEDS * len(STARTS)
    assert broken_promises(found) == []


def test_the_accounts_begin_where_they_should() -> None:
    """Within three points of the starting score."""
    assert all(abs(move.before - move.start) < 3 for move in moves())


def test_a_broken_promise_is_told() -> None:
    """An attack that moves too far, a control that moves too little, an honest crowd that is doubted."""
    kept = Move("pod", 20, 20.0, 1.0, 30.0, 10)
    broken = [
        Move("pod", 20, 20.0, 5.0, 30.0, 10),
        Move("pod", 20, 20.0, 1.0, 9.0, 10),
        Move("fan_club", 20, 20.0, 26.0, 30.0, 99),
        Move("fan_club", 20, 20.0, 30.0, 30.0, 80),
    ]
    assert len(broken_promises([kept, *broken])) == len(broken)


def test_the_report_shows_every_scenario() -> None:
    """As a table, and as JSON with the least and the most of each side."""
    table, entries = attacks_table(moves()), attacks_json(moves())
    assert len(entries) == len(STARTS) * (len(ATTACKS) + len(HONEST) + len(ALL_DAY))
    assert all(entry["scenario"] in table and entry["accounts"] == SEEDS for entry in entries)

"""What the simulations found: tables for the terminal, JSON for programs, and what was promised."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.validity.attacks import ALL_DAY, ATTACKS, HONEST
from tests.validity.simulation import STARTS, Move

ATTACK_MOST: Final = 5.0
"""Points that no attack may gain .."""

CONTROL_LEAST: Final = 10.0
""".. where its control gains at least these."""

HONEST_LOSS_MOST: Final = 3.0
"""Points that what only looks like an attack may lose: samples of large crowds alone differ by one or two."""

AUTHENTIC: Final = 80
"""Authenticity that the honest stay above."""


def attacks_table(moves: Sequence[Move]) -> str:
    """Return the table of attacks, and that of the honest who look like attackers."""
    lines = _table("Attacks: points gained, least .. most", "attack", moves, ATTACKS)
    lines += [
        "",
        *_table("What gets through, spread over the accounts' whole days: points gained", "attack", moves, ALL_DAY),
    ]
    lines += ["", *_table("Honest crowds that look like attacks: points gained", "crowd", moves, HONEST)]
    return "\n".join(lines)


def attacks_json(moves: Sequence[Move]) -> list[dict[str, Any]]:
    """Return an entry for each scenario and starting score."""
    return [
        {
            "scenario": name,
            "honest": name in HONEST,
            "start": start,
            "accounts": len(group),
            "suspect_least": min(move.suspect for move in group),
            "suspect_most": max(move.suspect for move in group),
            "control_least": min(move.control for move in group),
            "control_most": max(move.control for move in group),
            "authenticity_least": min(move.authenticity for move in group),
            "authenticity_most": max(move.authenticity for move in group),
        }
        for name in (*ATTACKS, *HONEST, *ALL_DAY)
        for start in STARTS
        if (group := _group(moves, name, start))
    ]


def broken_promises(moves: Sequence[Move]) -> list[str]:
    """Return a line for each account that an attack moved too far, or whose honest crowd was discounted."""
    return [
        f"{move.scenario} from {move.before:.1f}: {move.suspect:+.2f} points, its control {move.control:+.2f}, "
        f"authenticity {move.authenticity}"
        for move in moves
        if (move.scenario in ATTACKS and not _holds(move)) or (move.scenario in HONEST and not _is_honest(move))
    ]


def _holds(move: Move) -> bool:
    return move.suspect < ATTACK_MOST and move.control >= CONTROL_LEAST


def _is_honest(move: Move) -> bool:
    return move.control - move.suspect < HONEST_LOSS_MOST and move.authenticity > AUTHENTIC


def _group(moves: Sequence[Move], name: str, start: int) -> list[Move]:
    return [move for move in moves if (move.scenario, move.start) == (name, start)]


def _table(title: str, what: str, moves: Sequence[Move], names: dict[str, Any]) -> list[str]:
    lines = [title, f"{what:<20}{'start':>6}{'with it':>20}{'its control':>20}{'authenticity':>14}"]
    for name in names:
        for start in STARTS:
            if group := _group(moves, name, start):
                cells = (_span(group, lambda move: move.suspect), _span(group, lambda move: move.control))
                authentic = f"{min(m.authenticity for m in group)} .. {max(m.authenticity for m in group)}"
                lines.append(f"{name:<20}{start:>6}{cells[0]:>20}{cells[1]:>20}{authentic:>14}")
    return lines


def _span(group: Sequence[Move], value: Callable[[Move], float]) -> str:
    values = [value(move) for move in group]
    return f"{min(values):.2f} .. {max(values):.2f}"

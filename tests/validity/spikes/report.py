"""The report on spikes: streams, detectors, the curve of delay against duration, and the Higgs record."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tests.validity.spikes.detectors import BASELINES, Sweep, clout, clout_drops
from tests.validity.spikes.higgs import HiggsSpikes
from tests.validity.spikes.measures import Outcome, outcome
from tests.validity.spikes.streams import (
    DAY_MINUTES,
    DURATIONS,
    EPOCH,
    MINUTE,
    RATIO,
    SILENCES,
    SIZES,
    Streams,
    exact,
    mixed,
    silent,
)

DAYS: Final = 14
WARM_UP: Final = 3
"""Days that no detector is measured by."""
SIZE: Final = 50
MINUTES: Final = 3
"""The burst that must be found within a minute, at `RATIO` times the baseline."""

PRECISION: Final = 0.95
RECALL: Final = 0.95
DELAY_S: Final = 60.0
FALSE: Final = 1.0
"""What must hold: false alerts per 1,000 user-days, the median delay of the bursts above."""
DROP_RECALL: Final = 0.9
"""Of silences of two hours or more; they take longer to be sure of the less is usual."""


@dataclass(frozen=True, slots=True)
class Table:
    """How each detector did on one sort of streams; baselines with the settings that suit these streams best."""

    name: str
    user_days: int
    outcomes: dict[str, Outcome]
    settings: dict[str, str]


def labelled(seed: int = 7) -> Iterator[tuple[str, Streams]]:
    """Return the two sorts of streams."""
    random = np.random.default_rng(seed)
    yield f"{SIZE} in {MINUTES} min at {RATIO:g} x", exact(100, DAYS, WARM_UP, MINUTES, SIZE, random)
    yield "all shapes and sizes", mixed(400, DAYS, WARM_UP, random)


def compare(name: str, streams: Streams) -> Table:
    """Return what the product and each baseline make of streams."""
    outcomes = {"clout": outcome(streams, clout(streams), WARM_UP)}
    settings = {"clout": "as delivered"}
    for baseline, sweep in BASELINES.items():
        settings[baseline], outcomes[baseline] = _best(streams, sweep(streams))
    return Table(name, streams.users * (streams.days - WARM_UP), outcomes, settings)


def _best(streams: Streams, sweep: Sweep) -> tuple[str, Outcome]:
    tried = ((setting, outcome(streams, alerts, WARM_UP)) for setting, alerts in sweep)
    return max(tried, key=lambda each: each[1].f1)


def curves(streams: Streams) -> dict[str, dict[int, Outcome]]:
    """Return the product's recall and delay by a burst's size, and by its duration in minutes."""
    alerts, bursts = clout(streams), streams.bursts
    return {
        "size": {size: outcome(streams, alerts, WARM_UP, bursts.size == size) for size in SIZES},
        "minutes": {minutes: outcome(streams, alerts, WARM_UP, bursts.minutes == minutes) for minutes in DURATIONS},
    }


@dataclass(frozen=True, slots=True)
class Drops:
    """What the product makes of busy accounts that fall silent, and of those that do not."""

    all: Outcome
    by_hours: dict[int, Outcome]
    false_per_1000: float
    """On streams without a silence, per 1,000 user-days."""


def drops(steady: Streams, seed: int = 7) -> Drops:
    """Evaluate drops, on streams with silences and on `steady`, which have bursts alone."""
    streams = silent(100, DAYS, WARM_UP, np.random.default_rng(seed))
    alerts, minutes = clout_drops(streams), streams.bursts.minutes
    by_hours = {hours: outcome(streams, alerts, WARM_UP, minutes == hours * 60) for hours in SILENCES}
    calm = clout_drops(steady)
    false = int((calm.time >= EPOCH + WARM_UP * DAY_MINUTES * MINUTE).sum())
    days = steady.users * (steady.days - WARM_UP)
    return Drops(outcome(streams, alerts, WARM_UP), by_hours, 1000 * false / days)


def drops_table(found: Drops) -> str:
    """Return the lines for the terminal."""
    each = found.all
    by_hours = "; ".join(f"{hours} h: {one.recall:.3f}" for hours, one in found.by_hours.items())
    return (
        f"Drops: {each.bursts:,} silences of busy accounts: precision {each.precision:.3f}, recall {each.recall:.3f} "
        f"({by_hours}), after {each.median_delay / 60:.0f} min, 90 % {each.late_delay / 60:.0f} min\n"
        f"       false drops in 1,000 user-days: {each.false_per_1000:.2f}, and {found.false_per_1000:.2f} where "
        "nobody falls silent"
    )


def spikes_table(tables: list[Table], curve: dict[str, dict[int, Outcome]]) -> str:
    """Return the tables for the terminal."""
    lines = []
    for table in tables:
        bursts = table.outcomes["clout"].bursts
        lines += [f"Spikes: {table.name}; {bursts:,} bursts in {table.user_days:,} user-days"]
        head = ("precision", "recall", "F1", "median s", "90 % s", "false/1000 d")
        lines.append(" " * 28 + "".join(f"{title:>13}" for title in head))
        for name, each in table.outcomes.items():
            figures = (each.precision, each.recall, each.f1)
            times = (each.median_delay, each.late_delay)
            cells = [f"{value:13.3f}" for value in figures] + [f"{value:13.0f}" for value in times]
            lines.append(f"{name:<28}{''.join(cells)}{each.false_per_1000:13.2f}   {table.settings[name]}")
        lines.append("")
    for title, outcomes in curve.items():
        cells = (f"{key}: {each.recall:.3f} after {each.median_delay:.0f} s" for key, each in outcomes.items())
        lines.append(f"clout by {title}, recall and median delay: {'; '.join(cells)}")
    return "\n".join(lines)


def higgs_table(found: HiggsSpikes) -> str:
    """Return what was seen in the Higgs record."""
    lines = ["Higgs: the first minute of 20 engagements of the ten most engaged"]
    for each in found.leaders:
        seen = f"open {each.delay:.0f} s after it began, {each.authenticity}" if each.authenticity else "not seen"
        history = "" if each.has_history else " (no history)"
        lines.append(f"  twitter:{each.user}, {each.engagements:,} engagements{history}: {seen}")
    lines.append(f"A bought burst beside them: {found.bought or 'not seen'} ({'; '.join(found.reasons)})")
    lines.append(f"{found.opened:,} spikes of {found.users:,} users in the whole record")
    return "\n".join(lines)


def spikes_json(
    tables: list[Table], curve: dict[str, dict[int, Outcome]], found: HiggsSpikes, dropped: Drops
) -> dict[str, Any]:
    """Return the entry of build/validity.json."""
    return {
        "streams": {
            table.name: {
                name: asdict(each) | {"f1": each.f1, "settings": table.settings[name]}
                for name, each in table.outcomes.items()
            }
            for table in tables
        },
        "curves": {title: {key: asdict(each) for key, each in by.items()} for title, by in curve.items()},
        "higgs": asdict(found),
        "drops": asdict(dropped),
    }


def broken_promises(tables: list[Table], found: HiggsSpikes, dropped: Drops) -> list[str]:
    """Return what must hold and does not."""
    exact_one = tables[0].outcomes["clout"]
    checks = {
        f"precision {PRECISION}": exact_one.precision >= PRECISION,
        f"recall {RECALL}": exact_one.recall >= RECALL,
        f"median delay under {DELAY_S:g} s": exact_one.median_delay < DELAY_S,
        "at most one false alert in 1,000 user-days, over all streams": _pooled(tables) <= FALSE,
        "better than every baseline": all(
            max(table.outcomes, key=lambda name: table.outcomes[name].f1) == "clout" for table in tables
        ),
        "Higgs: each leader with history is seen, as organic": all(
            each.authenticity == "organic" for each in found.leaders if each.has_history
        ),
        "Higgs: the bought burst is suspicious": found.bought == "suspicious",
        f"drops: precision {PRECISION}, recall {DROP_RECALL}": dropped.all.precision >= PRECISION
        and dropped.all.recall >= DROP_RECALL,
        "drops: at most one false alert in 1,000 user-days": max(dropped.all.false_per_1000, dropped.false_per_1000)
        <= FALSE,
    }
    return [f"BROKEN: {promise}" for promise, holds in checks.items() if not holds]


def _pooled(tables: list[Table]) -> float:
    """Return the product's false alerts per 1,000 user-days of all streams together."""
    days = np.array([table.user_days for table in tables])
    return float(np.average([table.outcomes["clout"].false_per_1000 for table in tables], weights=days))


def delay_chart(curve: dict[str, dict[int, Outcome]]) -> str:
    """Return an SVG: median delay against duration, with the 90th percentile above it."""
    outcomes = curve["minutes"]
    most = max(each.late_delay for each in outcomes.values())
    width, height, left = 520, 260, 60
    step = (width - left - 40) / max(1, len(outcomes) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 60}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="20">Delay of spikes by the duration of the burst</text>',
    ]
    for name, colour, delay in (("median", "#d9480f", "median_delay"), ("90 %", "#868e96", "late_delay")):
        points = [
            (left + i * step, 40 + (height - 60) * (1 - getattr(each, delay) / most))
            for i, each in enumerate(outcomes.values())
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), each in zip(points, outcomes.values(), strict=True):
            seconds = getattr(each, delay)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            parts.append(f'<text x="{x + 6:.1f}" y="{y - 6:.1f}" font-size="11">{seconds:.0f} s ({name})</text>')
    for i, minutes in enumerate(outcomes):
        parts.append(f'<text x="{left + i * step - 12:.1f}" y="{height + 20}" font-size="12">{minutes} min</text>')
    return "\n".join([*parts, "</svg>", ""])

"""`python -m tests.validity [--data FILE] [--cutoffs 2,2.5,3]`: prints tables, writes charts and JSON to build/."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.validity import spikes
from tests.validity.attack_report import attacks_json, attacks_table, broken_promises
from tests.validity.higgs import MEASURES, authenticity_of_leaders, evaluate
from tests.validity.population_report import population, population_table
from tests.validity.record import DAY, Record, read
from tests.validity.report import as_json, chart, table, verdict
from tests.validity.simulation import simulate

BUILD = Path("build")
DATA = Path("../shared/data/higgs-2012-07-01_04.txt.gz")

CUTOFFS: Final = [2.0, 2.5, 3.0]
HELD_OUT: Final = [1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 2.125, 2.25, 2.375, 2.625, 2.75, 2.875]
"""Days at which nothing was fitted: a score that does well at the three alone was made for them."""


def main() -> int:
    """Run the report; the exit status is 1 where something that was promised does not hold, 2 where it cannot run."""
    parser = argparse.ArgumentParser(prog="python -m tests.validity", description=__doc__)
    parser.add_argument("--data", type=Path, help="another record: actor target unix-seconds RT|MT|RE")
    parser.add_argument("--cutoffs", type=_days, default=CUTOFFS, help="days since its beginning")
    chosen = parser.parse_args()
    held_out = [] if chosen.data or chosen.cutoffs != CUTOFFS else HELD_OUT
    try:
        record = read(chosen.data or DATA)
        _check(record, [*chosen.cutoffs, *held_out])
    except (OSError, ValueError) as error:
        print(f"validity: {error}", file=sys.stderr)
        return 2
    BUILD.mkdir(exist_ok=True)
    cutoffs = [evaluate(record, days) for days in chosen.cutoffs]
    print(table(cutoffs), "", verdict(cutoffs), sep="\n", flush=True)
    for measure in MEASURES:
        (BUILD / f"validity-{measure}.svg").write_text(chart(cutoffs, measure), encoding="utf-8")
    found: dict[str, Any] = {"higgs": as_json(cutoffs)}
    if held_out:
        others = [evaluate(record, days) for days in held_out]
        print("", f"Held out: {len(others)} other cut-offs", verdict(others), sep="\n", flush=True)
        found["held_out"] = as_json(others)
    if not chosen.data:
        found |= _of_the_model(record)
    (BUILD / "validity.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if found.get("broken") else 0


def _of_the_model(record: Record) -> dict[str, Any]:
    """Print and return what does not depend on the record chosen: authenticity, population, attacks, spikes."""
    leaders = authenticity_of_leaders(record)
    print("", f"Higgs: least authenticity of the {len(leaders)} leaders {min(leaders)}", sep="\n")
    people = population()
    print("", population_table(people), sep="\n", flush=True)
    moves = simulate()
    broken = [f"BROKEN: {line}" for line in broken_promises(moves)]
    print("", attacks_table(moves), *broken, sep="\n", flush=True)
    told = spikes.evaluate(record, BUILD)
    return {
        "leaders_authenticity": leaders,
        "population": msgspec.to_builtins(people),
        "attacks": attacks_json(moves),
        "spikes": told,
        "broken": broken + told["broken"],
    }


def _days(text: str) -> list[float]:
    return [float(days) for days in text.split(",")]


def _check(record: Record, cutoffs: list[float]) -> None:
    """Raise ValueError unless something lies before and after every cut-off."""
    if not len(record):
        raise ValueError("the record holds no interaction between two users")
    length = (record.time[-1] - record.time[0]) / DAY
    for days in cutoffs:
        if not 0 < days < length:
            raise ValueError(f"a cut-off of {days:g} days lies outside the record of {length:.2f} days")


if __name__ == "__main__":
    sys.exit(main())

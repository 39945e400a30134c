"""`python -m tests.validity [--data FILE] [--cutoffs 2,2.5,3]`: prints tables, writes charts and JSON to build/."""

import argparse
import json
import sys
from pathlib import Path

from tests.validity.higgs import MEASURES, evaluate
from tests.validity.record import DAY, Record, read
from tests.validity.report import as_json, chart, table, verdict

BUILD = Path("build")
DATA = Path("../shared/data/higgs-2012-07-01_04.txt.gz")


def main() -> int:
    """Run the report; the exit status is 2 where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m tests.validity", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="a record: actor target unix-seconds RT|MT|RE")
    parser.add_argument("--cutoffs", type=_days, default=[2.0, 2.5, 3.0], help="days since its beginning")
    chosen = parser.parse_args()
    try:
        record = read(chosen.data)
        _check(record, chosen.cutoffs)
    except (OSError, ValueError) as error:
        print(f"validity: {error}", file=sys.stderr)
        return 2
    cutoffs = [evaluate(record, days) for days in chosen.cutoffs]
    print(table(cutoffs), "", verdict(cutoffs), sep="\n")
    BUILD.mkdir(exist_ok=True)
    for measure in MEASURES:
        (BUILD / f"validity-{measure}.svg").write_text(chart(cutoffs, measure), encoding="utf-8")
    (BUILD / "validity.json").write_text(json.dumps(as_json(cutoffs), indent=1) + "\n", encoding="utf-8")
    return 0


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

"""Are spikes found, soon, and no others? On labelled streams, and in the Higgs record."""

from pathlib import Path
from typing import Any

from tests.validity.record import Record


def evaluate(record: Record, build: Path) -> dict[str, Any]:
    """Print the tables, write the chart to `build`, and return the entry of validity.json."""
    from tests.validity.spikes.higgs import evaluate_higgs
    from tests.validity.spikes.report import (
        broken_promises,
        compare,
        curves,
        delay_chart,
        drops,
        drops_table,
        higgs_table,
        labelled,
        spikes_json,
        spikes_table,
    )

    streams = dict(labelled())
    tables = [compare(name, each) for name, each in streams.items()]
    curve = curves(list(streams.values())[-1])
    dropped = drops(list(streams.values())[-1])
    found = evaluate_higgs(record)
    print("", spikes_table(tables, curve), drops_table(dropped), "", higgs_table(found), sep="\n")
    broken = broken_promises(tables, found, dropped)
    print(*broken, sep="\n", flush=True)
    (build / "validity-spikes-delay.svg").write_text(delay_chart(curve), encoding="utf-8")
    return {**spikes_json(tables, curve, found, dropped), "broken": broken}

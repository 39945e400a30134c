"""Real data, where it is, and small made-up records."""

from pathlib import Path
from typing import Any

import pytest

from schemas import Engagement

DATA = Path(__file__).parents[4] / "shared" / "data"
HIGGS = DATA / "higgs-2012-07-01_04.txt.gz"
JETSTREAM = DATA / "jetstream_v1.jsonl"
KLOUT = DATA / "klout-reactions-twitter.tsv"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data sets in ../shared/data")


def like(number: int = 1, **changes: Any) -> Engagement:
    """Return a like of actor `n:a` for target `n:t`."""
    values: dict[str, Any] = {
        "id": f"n:like/{number}",
        "kind": "like",
        "network": "n",
        "actor": "n:a",
        "target": "n:t",
        "time": 1_700_000_000_000 + number,
    }
    return Engagement(**{**values, **changes})

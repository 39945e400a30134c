"""`python -m tests.validity.spikes`: the spikes' part of the report alone."""

import json
import sys
from pathlib import Path

from tests.validity.record import read
from tests.validity.spikes import evaluate

BUILD = Path("build")
DATA = Path("../shared/data/higgs-2012-07-01_04.txt.gz")

if __name__ == "__main__":
    BUILD.mkdir(exist_ok=True)
    found = evaluate(read(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA), BUILD)
    (BUILD / "validity-spikes.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

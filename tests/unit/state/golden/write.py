"""
Writes the golden changelogs of the current version, to be committed once and read for ever.

    python -m tests.unit.state.golden.write

Each file of `v<version>/` holds records of a changelog, each as the lengths of its key and value (uint32, little
endian) and the two; `expected.json` holds what a partition restored from them says. When the format changes, its
version goes up and a new folder is written beside the old ones: those must load as long as a deployment may hold such
rows.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from pipeline.state.codec import VERSION
from pipeline.state.details import details_documents
from pipeline.state.partition import Partition
from schemas import Identity
from tests.unit.state.log import (
    DAY,
    HOUR,
    NOW,
    changelog,
    columns,
    contribution,
    crowd,
    documents,
    engagement,
    features_of,
    folded,
    post,
    profile,
)
from tests.unit.state.log import all_rows as rows_of

FOLDER: Final = Path(__file__).parent
EXPECTED: Final = "expected.json"
_LENGTHS: Final = struct.Struct("<II")


def partitions() -> dict[str, Partition]:
    """Return partitions whose rows show everything that the format can hold."""
    undone = [engagement(f"bluesky:{i}", id=f"bluesky:{i}", time=NOW - i * HOUR) for i in range(60)]
    return {
        "small": folded(*crowd(9), post(time=NOW - DAY), *crowd(1, target="github:é☃", seed=2)),
        "grown": folded(*crowd(300, days=89), *[post(time=NOW - i * DAY) for i in range(30)]),
        "sampled": folded(*crowd(5_000, days=40)),
        "profile": folded(
            engagement(), profile(name="Ünï", handle="h.example", avatar="https://x.example", followers=12)
        ),
        "linked": folded(
            *crowd(5, target="mastodon:a"),
            Identity("mastodon:a", "bluesky:before", NOW - HOUR),
            Identity("mastodon:a", "bluesky:person", NOW),
            *crowd(3, target="bluesky:person"),
            contribution("mastodon:a", version=9),
            contribution("github:left", linked=False),
        ),
        "undone": folded(*undone, *[msgspec.structs.replace(event, undo=True) for event in undone[:50]]),
        "evidence": folded(
            *[engagement(f"bluesky:{i % 7}", object=f"at://{i % 5}", tags=["a", f"b{i % 3}"]) for i in range(20)],
            *[engagement(f"twitter:{i % 40}", "twitter:b", object=f"at://{i % 30}", tags=["c"]) for i in range(200)],
        ),
    }


def pack(records: list[tuple[bytes, bytes]]) -> bytes:
    """Return records as one file."""
    return b"".join(_LENGTHS.pack(len(key), len(value)) + key + value for key, value in records)


def unpack(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return the records of a file."""
    at = 0
    while at < len(data):
        key, value = _LENGTHS.unpack_from(data, at)
        at += _LENGTHS.size
        yield data[at : at + key], data[at + key : at + key + value]
        at += key + value


def told(part: Partition) -> dict[str, Any]:
    """Return what a partition says, as JSON holds it."""
    seen = columns(part)
    rows = rows_of(part)
    details = details_documents(part, rows, features_of(part), 0)
    said = {
        "users": [user.decode() for user in seen["users"]],
        "positions": part.positions.tolist(),
        "fates": part.fates.tolist(),
        "as_of": part.as_of,
        "exact": {name: seen[name] for name in ("counts", "posts", "engagers", "top", "followers")},
        "evidence": [[detail.actors, detail.posts, detail.tags] for detail in details],
        "documents": list(documents(part).values()),
    }
    out: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(said))
    return out


def main() -> None:
    """Write the folder of the current version."""
    folder = FOLDER / f"v{VERSION}"
    folder.mkdir(exist_ok=True)
    expected = {}
    for name, part in partitions().items():
        part.emitted[: len(part)] = np.float32(42.25)
        # Spikes that were told are not told again by who recovers at these positions.
        part.spikes.told.clear()
        (folder / f"{name}.bin").write_bytes(pack(changelog(part, generation=3)))
        expected[name] = told(part)
    (folder / EXPECTED).write_bytes(msgspec.json.format(msgspec.json.encode(expected), indent=1) + b"\n")


if __name__ == "__main__":
    main()

"""The product's own state, fed with a record as the log would feed it."""

from typing import Final

import msgspec
import numpy as np

from pipeline.scoring.credit import NO_STAMP
from pipeline.scoring.windows import Windows
from pipeline.state.partition import Partition, StateConfig
from pipeline.state.records import Records
from pipeline.state.sources import KIND_OF_SOURCE
from pipeline.state.view import features
from schemas import Engagement
from tests.validity.fold import Fold, Stamps
from tests.validity.record import DAY, Record

NETWORK: Final = "twitter"

_ENCODER: Final = msgspec.json.Encoder()


def state_features(record: Record, stamps: Stamps, windows: Windows, as_of: int) -> Fold:
    """Return what `fold.features` does, by way of the engagement table: JSON records in, its features out."""
    partition = Partition(0, StateConfig(windows=windows))
    # Stamps hold whole days of age; any moment of that day says the same.
    since = record.time - stamps.age_days * DAY
    for source, kind in KIND_OF_SOURCE.items():
        run = [
            (
                b"%s:%d" % (NETWORK.encode(), record.target[i]),
                Engagement(
                    id=f"{NETWORK}:{i}",
                    kind=kind,
                    network=NETWORK,
                    actor=f"{NETWORK}:{record.actor[i]}",
                    target=f"{NETWORK}:{record.target[i]}",
                    time=int(record.time[i]) * 1_000,
                    actor_score=None if stamps.score[i] == NO_STAMP else float(stamps.score[i]) / 2,
                    actor_nth=int(stamps.nth[i]),
                    actor_since=int(since[i]) * 1_000,
                    mutual=bool(stamps.mutual[i]),
                ),
            )
            for i in np.flatnonzero(record.kind == source).tolist()
        ]
        refused = partition.fold(source, _records(run))
        if refused:
            raise ValueError(f"the state refuses {len(refused)} records: {refused[0]}")
    partition.settle()
    ids = np.array([int(user.split(b":")[1]) for user in partition.ids], np.int64)
    targets = np.flatnonzero(np.isin(ids, record.target))
    order = targets[np.argsort(ids[targets])]
    return Fold(ids[order], features(partition, order, as_of * 1_000))


def _records(run: list[tuple[bytes, Engagement]]) -> Records:
    """Return engagements as the log holds them."""
    return Records.of(
        first=0,
        end=len(run),
        offsets=list(range(len(run))),
        timestamps=[event.time for _, event in run],
        keys=[key for key, _ in run],
        values=[_ENCODER.encode(event) for _, event in run],
    )

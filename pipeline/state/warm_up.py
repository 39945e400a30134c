"""Loads what is compiled, so that the first records do not wait for it."""

from typing import Final

import numpy as np

from pipeline.state.codec import encode_rows
from pipeline.state.documents import encoded_documents
from pipeline.state.forgetting import drop_rows
from pipeline.state.horizon import IdHorizon
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.persons import standing
from pipeline.state.records import Records
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCES

_VALUE: Final = b'{"id":"n:%d","kind":"like","network":"n","actor":"n:%d","target":"n:b","time":0}'
_ACTORS: Final = 8
"""So many that their order is a run."""

_IDS: Final = 2048


def warm_up() -> None:
    """Call every compiled function once: from the cache on disk in some tenths of a second, else in some seconds."""
    part = Partition(0)
    source = SOURCES.index("likes")
    values = [_VALUE % (i, i) for i in range(_ACTORS)]
    part.fold(source, Records.of(0, _ACTORS, range(_ACTORS), [0] * _ACTORS, [b"n:b"] * _ACTORS, values))
    part.settle()
    rows = np.zeros(1, np.int64)
    encoded_documents(part, rows, *standing(part, rows), 0)
    restore = Restore(Partition(0))
    # The second record takes the place of the first.
    restore.add(*Packed.of_pairs(encode_rows(part, rows, np.ones(1, np.bool_), 1) * 2))
    restore.finish(part.positions)
    drop_rows(part, ["n:b"])
    # So many that the table must grow.
    horizon, some = IdHorizon(_IDS, _IDS), np.arange(1, _IDS)
    horizon.add(some.astype(np.uint64), some.astype(np.uint64), some, some)
    IdHorizon(_IDS, _IDS).put_in(horizon.take_out(_IDS), _IDS)

"""Loads what is compiled, so that the first records do not wait for it."""

from typing import Final

import numpy as np

from pipeline.state.decode import EventDecoder
from pipeline.state.horizon import IdHorizon
from pipeline.state.lines import lines_of
from pipeline.state.records import Records
from pipeline.state.row_index import RowIndex
from schemas import Engagement

_VALUE: Final = b'{"id":"n:1","kind":"like","network":"n","actor":"n:a","target":"n:b","time":0}'
_LIMIT: Final = 1024
_IDS: Final = 2048


def warm_up() -> None:
    """Call every compiled function once: from the cache on disk in some tenths of a second, else in some seconds."""
    decoded = EventDecoder(Engagement, _LIMIT, "like").decode(Records.of(0, 1, [0], [0], [b"n:b"], [_VALUE]), [])
    lines_of(decoded.buffer, decoded.events)
    index = RowIndex()
    index.add([b"n:b"])
    index.find(decoded.keys)
    # So many that the table must grow.
    horizon, some = IdHorizon(_IDS, _IDS), np.arange(1, _IDS)
    horizon.add(some.astype(np.uint64), some.astype(np.uint64), some, some)
    IdHorizon(_IDS, _IDS).put_in(horizon.take_out(_IDS), _IDS)

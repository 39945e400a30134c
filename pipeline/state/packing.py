"""From scanned records to packed events."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.state.events import AGE_LAST, EVENT, MUTUAL, NTH_LAST, NTH_UNKNOWN, SELF
from pipeline.state.sources import POST_KIND
from pipeline.state.xxh64 import digest_of

_DAY_MS = 86_400_000

_NETWORKS: Final = sorted((digest_of(name.encode()), weights.network_index(name)) for name in weights.NETWORKS)
_DIGESTS: Final = np.array([digest for digest, _ in _NETWORKS], np.uint64)
_NUMBERS: Final = np.array([number for _, number in _NETWORKS], np.int16)


def network_numbers(digests: NDArray[np.uint64]) -> NDArray[np.int16]:
    """Return the places in `weights.NETWORKS` of networks, by the digests of their names; 0 for one that is unknown."""
    at = np.minimum(np.searchsorted(_DIGESTS, digests), len(_DIGESTS) - 1)
    return np.where(_DIGESTS[at] == digests, _NUMBERS[at], np.int16(0))


def pack(events: NDArray[np.void], kinds: NDArray[np.int64], network: NDArray[np.int64]) -> NDArray[np.void]:
    """
    Return `EVENT` records.

    Args:
        events: [n] `SCANNED`.
        kinds: int64[n], each one's place in `schemas.KINDS`, or `POST_KIND`.
        network: int64[n], each user's place in `weights.NETWORKS`.
    """
    packed = np.zeros(len(events), EVENT)
    packed["time"] = events["time"] // 1000
    packed["kind"] = kinds
    packed["flags"] = events["undo"]
    engaged = np.flatnonzero(kinds < POST_KIND)
    if len(engaged) == len(events):
        _add_actors(packed, events, kinds, network)
    elif len(engaged):
        part = packed.take(engaged)
        _add_actors(part, events.take(engaged), kinds[engaged], network[engaged])
        packed[engaged] = part
    return packed


def _add_actors(
    packed: NDArray[np.void], events: NDArray[np.void], kinds: NDArray[np.int64], network: NDArray[np.int64]
) -> None:
    packed["actor"] = events["actor"]
    own, mutual = events["own"] > 0, events["mutual"] > 0
    packed["flags"] += own * np.uint8(SELF) + mutual * np.uint8(MUTUAL)
    nth, since = np.minimum(events["nth"], NTH_LAST), events["since"]
    age = np.clip((events["time"] - since) // _DAY_MS, 0, AGE_LAST - 1)
    age = np.where(since < 0, 0, age + 1)
    worth = weights.worth(network, kinds, nth, age - 1, mutual)
    worth[own] = 0
    packed["worth"] = np.where(events["undo"], -worth, worth)
    packed["nth"] = np.where(nth < 0, NTH_UNKNOWN, nth)
    packed["age"] = age
    score = events["score"]
    packed["score"] = np.where(score < 0, 0, np.rint(score * 2) + 1)

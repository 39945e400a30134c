"""The newest documents of the scores topic, and the offsets that they were made at."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from pipeline.log_runs import Log
from pipeline.state.sources import SOURCES
from schemas import ScoreDocument

_DOCUMENT: Final = msgspec.json.Decoder(ScoreDocument)
_OFFSETS: Final = msgspec.json.Decoder(dict[str, int])


class Emitted(NamedTuple):
    """A record of the scores topic."""

    document: ScoreDocument
    offsets: dict[str, int]
    """By source, what its partition had folded."""
    value: bytes


def newest_documents(scores: Log) -> dict[bytes, Emitted]:
    """Return the document of the highest version of each user; of equal ones the last."""
    newest: dict[bytes, Emitted] = {}
    for key, value, headers in zip(scores.keys, scores.values, scores.headers, strict=True):
        if key is None:
            continue
        if value is None:
            newest.pop(key, None)
            continue
        document = _DOCUMENT.decode(value)
        if key not in newest or document.version >= newest[key].document.version:
            newest[key] = Emitted(document, _OFFSETS.decode(dict(headers)["offsets"]), value)
    return newest


def by_offsets(newest: Mapping[bytes, Emitted]) -> list[tuple[dict[str, int], list[bytes]]]:
    """Return the users by the offsets of their documents, in the order of the log."""
    groups: dict[tuple[tuple[str, int], ...], list[bytes]] = {}
    for user, emitted in newest.items():
        groups.setdefault(tuple(emitted.offsets.items()), []).append(user)
    ordered = sorted(groups, key=lambda items: sum(offset for _, offset in items))
    return [(dict(items), groups[items]) for items in ordered]


def beyond(logs: Mapping[str, Log], offsets: Mapping[bytes, Mapping[str, int]]) -> set[bytes]:
    """Return the users who have a record at or beyond their offsets in some source."""
    return {
        key
        for name in SOURCES
        for offset, key in zip(logs[name].offsets, logs[name].keys, strict=True)
        if key is not None and key in offsets and offset >= offsets[key].get(name, 0)
    }

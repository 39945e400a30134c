"""The newest documents of the scores topic, and the offsets that they were made at."""

from typing import Final, NamedTuple

import msgspec

from pipeline.log_runs import Log
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

"""Documents as the worker writes them, for tests of everything that reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas import (
    Counts,
    Details,
    Factors,
    NetworkScore,
    ScoreDocument,
    TopActor,
    TopTag,
    Windows,
    native_of,
    network_of,
)

_COUNTS = Counts(likes=3, shares=1, comments=1, follows=0)


def score_document(user: str, score: float = 50.0, version: int = 1, **changes: Any) -> ScoreDocument:
    """Return a plausible score document; `changes` by field."""
    document = ScoreDocument(
        user=user,
        handle=native_of(user),
        name=None,
        avatar=None,
        score=score,
        previous=None,
        bucket="1-9" if score < 10 else "90-100" if score >= 90 else f"{int(score) // 10}0-{int(score) // 10}9",
        percentile=score,
        confidence=0.5,
        factors=Factors(true_reach=score, amplification=score, network_impact=score),
        networks={network_of(user): NetworkScore(score=score, share=1.0, last=1_783_175_888_085)},
        engagement=Windows(hour=_COUNTS, day=_COUNTS, week=_COUNTS, quarter=_COUNTS),
        engagers=5,
        authenticity=100,
        model="1",
        version=version,
        time=1_783_175_888_085 + version,
        as_of=1_783_175_888_000 + version,
    )
    return msgspec.structs.replace(document, **changes)


def score_bytes(user: str, score: float = 50.0, version: int = 1, **changes: Any) -> bytes:
    """Return the value of a record of `clout.scores`."""
    return msgspec.json.encode(score_document(user, score, version, **changes))


def details_bytes(
    user: str, actors: dict[str, int], version: int = 1, tags: Sequence[str] = (), time: int = 1_783_175_888_085
) -> bytes:
    """Return the value of a record of `clout.details`."""
    return msgspec.json.encode(
        Details(
            user=user,
            actors=[TopActor(actor, count) for actor, count in actors.items()],
            posts=[],
            tags=[TopTag(tag, 1) for tag in tags],
            contributions=[],
            version=version,
            time=time,
            as_of=1_783_175_888_000,
        )
    )


@dataclass
class Record:
    """A Kafka record, as far as the sink looks at it."""

    offset: int
    key: bytes | None
    value: bytes | None


def records(*values: bytes | None, first: int = 0, key: bytes = b"x:user") -> list[Record]:
    """Return values as consecutive records."""
    return [Record(first + number, key, value) for number, value in enumerate(values)]

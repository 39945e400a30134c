"""
Score documents of rows: what is emitted, in the wire's types and in the wire's bytes.

The bytes are written from columns, as hundreds are due in each round: a tenth of what it takes to make the Structs and
to encode them. The Struct stays the contract: its encoding is the form, and what has ties to other rows is made of it.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import model
from pipeline.scoring.features import Features
from pipeline.scoring.model import BUCKETS, Scores, reference
from pipeline.scoring.windows import QUARTER, SLICES, WINDOW_NAMES
from pipeline.state.form import NULL, Form, fixed, mark, text_mark
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.persons import networks
from schemas import KINDS, Counts, Factors, NetworkScore, ScoreDocument, Windows

ENCODER: Final = msgspec.json.Encoder()
"""Writes the documents' bytes: the same ones in the topic, in Redis and in the API's answers."""

_COUNTS: Final = len(WINDOW_NAMES) * len(KINDS)
_BUCKET_TEXTS: Final = [bucket.encode() for bucket in BUCKETS]


def rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores as documents carry them: two decimals."""
    return np.round(scores, 2)


def score_documents(
    partition: Partition,
    rows: NDArray[np.int64],
    features: Features,
    scores: Scores,
    now: int,
    as_of: int | None = None,
) -> list[ScoreDocument]:
    """
    Return the documents of settled rows.

    Args:
        partition: Settled.
        rows: int64[n], with their features and scores in the same order.
        features: As of `as_of`.
        scores: Of those features.
        now: Unix ms, when they are computed.
        as_of: Unix ms; the partition's own by default.
    """
    points = rounded(scores.score)
    version, instant = partition.version, partition.as_of if as_of is None else as_of
    oldest = _oldest(partition, instant)
    previous = [None if value != value else round(value, 2) for value in partition.emitted[rows].tolist()]  # noqa: PLR0124
    of_persons = networks(partition, rows, features, oldest)
    documents: list[ScoreDocument] = []
    columns = zip(
        rows.tolist(),
        partition.index.names(rows),
        points.tolist(),
        previous,
        model.bucket(points).tolist(),
        np.round(scores.percentile, 3).tolist(),
        np.round(scores.confidence, 3).tolist(),
        np.round(scores.factors, 2).tolist(),
        features.counts.tolist(),
        np.rint(features.engagers).astype(np.int64).tolist(),
        scores.authenticity.tolist(),
        partition.last[rows].tolist(),
        strict=True,
    )
    for (
        row,
        name,
        score,
        before,
        bucket,
        percentile,
        confidence,
        parts,
        counts,
        engagers,
        authenticity,
        last,
    ) in columns:
        user = name.decode()
        network, _, native = user.partition(":")
        profile = partition.profiles.get(row)
        documents.append(
            ScoreDocument(
                user,
                (profile.handle if profile else None) or native,
                profile.name if profile else None,
                profile.avatar if profile else None,
                score,
                before,
                BUCKETS[bucket],
                percentile,
                confidence,
                Factors(*parts),
                of_persons.get(row) or {network: NetworkScore(score, 1.0, last if last >= oldest else None)},
                Windows(Counts(*counts[0]), Counts(*counts[1]), Counts(*counts[2]), Counts(*counts[3])),
                engagers,
                authenticity,
                reference().model,
                version,
                now,
                instant,
                partition.linking.person(row),
            )
        )
    return documents


def _oldest(partition: Partition, as_of: int) -> int:
    """Return the time from which on an engagement is told of, Unix ms."""
    # What the windows have left behind is forgotten, whether it was folded in time or late.
    head = partition.windows.head(QUARTER, as_of // 1000)
    return max(1, (head - SLICES + 1) * partition.windows.slice_seconds[QUARTER] * 1000)


def encoded_documents(
    partition: Partition, rows: NDArray[np.int64], features: Features, scores: Scores, now: int
) -> list[tuple[bytes, bytes]]:
    """
    Return users, and what `ENCODER` says of the `score_documents` of their settled rows.

    They are as of the partition's own time.
    """
    points, names = rounded(scores.score), partition.index.names(rows)
    columns = (
        fixed(scores.score, 2),
        fixed(partition.emitted[rows].astype(np.float64), 2),
        fixed(scores.percentile, 3),
        fixed(scores.confidence, 3),
        fixed(scores.factors, 2),
        _last(partition, rows),
        features.counts.reshape(len(rows), _COUNTS),
        np.rint(features.engagers).astype(np.int64),
        scores.authenticity,
        *(np.full(len(rows), number) for number in (partition.version, now, partition.as_of)),
    )
    made = _FORM.fill(np.column_stack(columns), *_texts(partition, rows, names, model.bucket(points)))
    tied = partition.linking.tied(rows)
    if len(tied):
        documents = score_documents(partition, rows[tied], features.pick(tied), scores.pick(tied), now)
        for place, document in zip(tied.tolist(), documents, strict=True):
            made[place] = ENCODER.encode(document)
    return list(zip(names, made, strict=True))


_USER, _HANDLE, _NAME, _AVATAR, _BUCKET, _MODEL, _NETWORK = range(7)


def _form() -> Form:
    """Return the document of an account without ties."""
    score, previous, percentile, confidence, reach, amplification, impact, last, *others = map(
        mark, range(13 + _COUNTS)
    )
    engagers, authenticity, version, now, as_of = others[_COUNTS:]
    example = ScoreDocument(
        user=text_mark(_USER),
        handle=text_mark(_HANDLE),
        name=text_mark(_NAME),
        avatar=text_mark(_AVATAR),
        score=score,
        previous=previous,
        bucket=text_mark(_BUCKET),
        percentile=percentile,
        confidence=confidence,
        factors=Factors(reach, amplification, impact),
        networks={text_mark(_NETWORK): NetworkScore(score, 1.0, last)},
        engagement=Windows(*(Counts(*others[start : start + len(KINDS)]) for start in range(0, _COUNTS, len(KINDS)))),
        engagers=engagers,
        authenticity=authenticity,
        model=text_mark(_MODEL),
        version=version,
        time=now,
        as_of=as_of,
    )
    return Form(ENCODER.encode(example), (2, 2, 3, 3, 2, 2, 2, *[0] * (6 + _COUNTS)))


_FORM: Final = _form()


def _last(partition: Partition, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    last = partition.last[rows]
    return np.where(last >= _oldest(partition, partition.as_of), last, NULL)


def _texts(
    partition: Partition, rows: NDArray[np.int64], names: list[bytes], bucket: NDArray[np.int64]
) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64]]:
    """Return a buffer, and where each text of each document begins and ends in it."""
    n = len(rows)
    held: list[bytes | None] = [*names, *_BUCKET_TEXTS, reference().model.encode(), None]
    which = np.empty((n, _NETWORK + 1), np.int64)
    which[:, [_USER, _HANDLE, _NETWORK]] = np.arange(n)[:, None]
    which[:, [_MODEL, _NAME, _AVATAR]] = len(held) - 2, len(held) - 1, len(held) - 1
    which[:, _BUCKET] = n + bucket
    without_handle = np.ones(n, np.bool_)
    for place, profile in partition.profiles.of(rows):
        without_handle[place] = not profile.handle
        for column, text in ((_HANDLE, profile.handle), (_NAME, profile.name), (_AVATAR, profile.avatar)):
            if text is not None:
                which[place, column] = len(held)
                held.append(text.encode())
    texts = Packed.of(held)
    starts, ends = texts.starts[which], texts.ends[which]
    # An id is a network and the native id, which is the handle of whom no profile gives another.
    colon = starts[:, _USER] + [len(name.partition(b":")[0]) for name in names]
    ends[:, _NETWORK] = colon
    starts[without_handle, _HANDLE] = np.minimum(colon + 1, ends[:, _USER])[without_handle]
    ends[without_handle, _HANDLE] = ends[without_handle, _USER]
    return texts.text, starts, ends

"""Score documents of rows: what is emitted, in the wire's types."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import model
from pipeline.scoring.features import Features
from pipeline.scoring.model import BUCKETS, Scores, reference
from pipeline.scoring.windows import QUARTER, SLICES
from pipeline.state.partition import Partition
from pipeline.state.persons import networks
from schemas import Counts, Factors, NetworkScore, ScoreDocument, Windows


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
    # What the windows have left behind is forgotten, whether it was folded in time or late.
    head = partition.windows.head(QUARTER, (partition.as_of if as_of is None else as_of) // 1000)
    oldest = max(1, (head - SLICES + 1) * partition.windows.slice_seconds[QUARTER] * 1000)
    version, instant = partition.version, partition.as_of if as_of is None else as_of
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


ENCODER: Final = msgspec.json.Encoder()
"""Writes the documents' bytes: the same ones in the topic, in Redis and in the API's answers."""

"""Checkers: what a history of documents must not show. Pure functions, tested on bad histories themselves."""

from collections.abc import Iterable, Mapping

from schemas import KINDS, Kind, ScoreDocument
from schemas.score import Counts as Counted
from tests.support.ledger import Counts

_FIELDS: Mapping[Kind, str] = {"like": "likes", "share": "shares", "comment": "comments", "follow": "follows"}


def held_by_reader(documents: Iterable[ScoreDocument]) -> dict[str, ScoreDocument]:
    """Return what a reader holds in the end that keeps the highest version of each user."""
    held: dict[str, ScoreDocument] = {}
    for document in documents:
        if document.user not in held or document.version > held[document.user].version:
            held[document.user] = document
    return held


def counted(documents: Iterable[ScoreDocument]) -> Counts:
    """Return the engagements of 90 d in each document."""
    return {document.user: by_kind(document.engagement.quarter) for document in documents}


def by_kind(counts: Counted) -> dict[Kind, int]:
    """Return the counts of a window by kind."""
    return {kind: getattr(counts, field) for kind, field in _FIELDS.items()}


def lost(expected: Counts, found: Counts) -> list[str]:
    """Return where fewer were counted than acknowledged."""
    return _differing(expected, found, 1)


def doubled(expected: Counts, found: Counts) -> list[str]:
    """Return where more were counted than acknowledged: twice, or never sent."""
    return _differing(expected, found, -1)


def _differing(expected: Counts, found: Counts, sign: int) -> list[str]:
    nothing = dict.fromkeys(KINDS, 0)
    return [
        f"{user}: {kind} acknowledged {expected.get(user, nothing)[kind]}, counted {found.get(user, nothing)[kind]}"
        for user in sorted(expected.keys() | found.keys())
        for kind in KINDS
        if sign * (expected.get(user, nothing)[kind] - found.get(user, nothing)[kind]) > 0
    ]


def went_back(documents: Iterable[ScoreDocument], *, undone: bool = False) -> list[str]:
    """
    Return where a reader that keeps the highest version of each user saw the past again.

    Args:
        documents: Of one partition, or of several one after the other, in the order of the log.
        undone: Whether events were undone: then counts may fall.
    """
    held: dict[str, ScoreDocument] = {}
    found = []
    for document in documents:
        before = held.get(document.user)
        if before is not None and document.version <= before.version:
            continue
        held[document.user] = document
        if before is None:
            continue
        if document.as_of < before.as_of:
            found.append(f"{document.user}: as_of went from {before.as_of} back to {document.as_of}")
        fallen = [
            f"{document.user}: {kind} went from {count} back to {by_kind(document.engagement.quarter)[kind]}"
            for kind, count in by_kind(before.engagement.quarter).items()
            if by_kind(document.engagement.quarter)[kind] < count
        ]
        found += [] if undone else fallen
    return found


def contradictions(emitted: Iterable[tuple[ScoreDocument, bytes]]) -> list[str]:
    """
    Return where two documents of a user were made at one place of the log and tell different things.

    Args:
        emitted: Documents, each with the offsets that it was made at. Two owners of a partition may reach one version
            with different ones.
    """
    seen: dict[tuple[str, bytes], ScoreDocument] = {}
    found = []
    for document, offsets in emitted:
        first = seen.setdefault((document.user, offsets), document)
        if (first.score, first.engagement, first.engagers) != (document.score, document.engagement, document.engagers):
            found.append(
                f"{document.user}: version {document.version} tells of {first.engagement} and {document.engagement}"
            )
    return found

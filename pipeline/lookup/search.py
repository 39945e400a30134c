"""Search: users by what their documents say, from the highest score down."""

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from pipeline.lookup import walk
from pipeline.lookup.store import ScoreStore
from pipeline.lookup.walk import Place

_STEP: Final = 500
"""Users looked at in one step."""
_STEPS: Final = 20
"""Steps of one page: a search that finds little returns what it has, and where to go on."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a user must be like; None asks for nothing."""

    min_score: float = 1.0
    max_score: float = 100.0
    network: str | None = None
    bucket: str | None = None
    topic: str | None = None
    """The slug of one of the topics that a user stands under."""
    min_authenticity: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A page: documents as of now, and where the next page begins."""

    documents: list[bytes]
    next: Place | None
    is_exact: bool
    """Whether nobody was skipped or repeated, as far as the walk has gone."""


class _Head(msgspec.Struct, gc=False):
    user: str
    handle: str
    score: float
    bucket: str
    networks: dict[str, msgspec.Raw]
    authenticity: int


_decode_head = msgspec.json.Decoder(_Head).decode


class Search:
    """Searches one store."""

    def __init__(self, store: ScoreStore) -> None:
        self._store = store

    async def page(self, criteria: Criteria, limit: int, place: Place | None) -> Found:
        """
        Return the next users who meet the criteria.

        Whoever meets them throughout the walk, at whatever score, comes exactly once, while `is_exact`.
        Whoever begins or ceases to meet them meanwhile comes at most once.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        if criteria.topic is not None and not await self._store.topic_size(criteria.topic):
            return Found([], None, is_exact=True)
        if place is None:
            place = walk.begin(criteria.max_score, await self._store.newest_change())
        documents: list[bytes] = []
        for _ in range(_STEPS):
            step = await self._store.step(place, _STEP)
            place = walk.account(place, step.moves)
            owed, rest = place.owed[: limit - len(documents)], place.owed[limit - len(documents) :]
            documents += (await self._meeting(criteria, list(owed))).values()
            place = replace(place, owed=rest)
            if len(documents) == limit:
                return Found(documents, place, place.is_exact)
            standing = [(user, score) for user, score in step.users if score >= criteria.min_score]
            met, _ = walk.meet(place, standing)
            meeting = await self._meeting(criteria, met)
            wanted = list(meeting)[: limit - len(documents)]
            documents += (meeting[user] for user in wanted)
            if len(documents) == limit:
                end = next(number for number, (user, _) in enumerate(standing) if user == wanted[-1])
                return Found(documents, walk.meet(place, standing[: end + 1])[1], place.is_exact)
            _, place = walk.meet(place, standing)
            if len(standing) < _STEP:
                return Found(documents, None, place.is_exact)
        return Found(documents, place, place.is_exact)

    async def by_handle(self, handle: str, criteria: Criteria) -> list[bytes]:
        """
        Return the users with a handle who meet the criteria, one of each network at most.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        users = await self._store.with_handle(handle, criteria.network)
        meeting = await self._meeting(criteria, users)
        return [document for document in meeting.values() if _decode_head(document).handle.lower() == handle.lower()]

    async def _meeting(self, criteria: Criteria, users: list[str]) -> dict[str, bytes]:
        """Return the documents of those users who meet the criteria, in their order."""
        if criteria.topic is not None:
            users = await self._store.in_topic(criteria.topic, users)
        documents = await self._store.get_many(users)
        return {
            user: document
            for user, document in zip(users, documents, strict=True)
            if document is not None and _meets(_decode_head(document), criteria)
        }


def _meets(head: _Head, criteria: Criteria) -> bool:
    return (
        criteria.min_score <= head.score <= criteria.max_score
        and head.authenticity >= criteria.min_authenticity
        and (criteria.bucket is None or head.bucket == criteria.bucket)
        and (criteria.network is None or criteria.network in head.networks)
    )

"""Finds people by whatever Klout's clients know of them, and what the answers say of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pipeline.lookup import keys
from pipeline.lookup.history.series import Series
from pipeline.lookup.klout.ids import klout_id, network_named
from pipeline.lookup.store import ScoreStore
from schemas import Details, ScoreDocument, is_user_id, network_of

_PEERS_KEPT: Final = 200
"""As many influencers as the sink keeps of a user."""

_decode_document = msgspec.json.Decoder(ScoreDocument).decode
_decode_details = msgspec.json.Decoder(Details).decode


@dataclass(frozen=True, slots=True)
class Person:
    """A user with a score."""

    document: ScoreDocument
    series: Series
    now: int
    """The event time that changes are counted up to, Unix ms."""

    @property
    def user(self) -> str:
        """The user's id."""
        return self.document.user

    @property
    def number(self) -> str:
        """The user's id at Klout."""
        return klout_id(self.document.user)

    def change(self, days: int) -> float:
        """Return how much the score moved within days; 0 where the history does not reach back so far."""
        return self.series.change(days, self.now, self.document.score) or 0.0


class People:
    """
    Reads users by name, number or account.

    Every method raises `StoreUnavailableError` when Redis is away.
    """

    def __init__(self, store: ScoreStore) -> None:
        self._store = store

    async def named(self, network: str, handle: str) -> str | None:
        """
        Return the user behind a handle, in whatever case it is written.

        A whole user id (`github:torvalds`) stands for itself: clients that ask for names reach every network.
        """
        if is_user_id(handle):
            return await self.owner(handle)
        (account,) = await self._store.values([keys.handle(network_named(network), handle)])
        return None if account is None else await self.owner(account.decode())

    async def owner(self, account: str) -> str:
        """Return the person that an account belongs to: as a rule the account itself."""
        (person,) = await self._store.values([keys.identity(account)])
        return account if person is None else person.decode()

    async def numbered(self, number: str) -> str | None:
        """Return the user behind a Klout id, who may since have been linked to another."""
        (account,) = await self._store.values([keys.kloutid(number)])
        return None if account is None else await self.owner(account.decode())

    async def known(self, users: Sequence[str]) -> list[Person | None]:
        """Return what is known of users, in their order; None where there is no score."""
        names = [keys.AS_OF]
        for user in users:
            names += (keys.user(user), keys.history(user))
        as_of, *values = await self._store.values(names)
        return [
            _person(document, history, int(as_of or 0))
            for document, history in zip(values[::2], values[1::2], strict=True)
        ]

    async def tags(self, user: str) -> list[str]:
        """Return the tags that earned a user engagement, the most frequent first."""
        details = await self._details(user)
        return [] if details is None else [entry.tag for entry in details.tags]

    async def influencers(self, user: str) -> list[str]:
        """Return those whom a user engages with."""
        return [peer for peer, _ in await self._store.influencers(user, _PEERS_KEPT)]

    async def influencees(self, user: str) -> list[str]:
        """Return those who engage most with a user."""
        details = await self._details(user)
        return [] if details is None else [entry.actor for entry in details.actors]

    async def best(self, users: Sequence[str], limit: int) -> list[Person]:
        """Return those of `users` who have the highest scores, best first."""
        scores = await self._store.scores(users)
        scored = [(score, user) for score, user in zip(scores, users, strict=True) if score is not None]
        first = [user for _, user in sorted(scored, key=lambda entry: (-entry[0], entry[1]))[:limit]]
        return [person for person in await self.known(first) if person is not None]

    async def _details(self, user: str) -> Details | None:
        details = await self._store.details(user)
        return None if details is None else _decode_details(details)


def _person(document: bytes | None, history: bytes | None, as_of: int) -> Person | None:
    if document is None:
        return None
    decoded = _decode_document(document)
    return Person(decoded, Series.decode(history), max(as_of, decoded.as_of))


def account_at(user: str, word: str) -> str | None:
    """Return the account of a user at the network that a client calls `word`, or None when there is none."""
    return user if network_of(user) == network_named(word) else None

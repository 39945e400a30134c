"""
Klout's API, version 2 (2012 - 2018).

Klout identified people by Twitter, Google+, Instagram and Facebook.
Here every network works likewise under its own name: `/v2/identity.json/bluesky?screenName=..`.
"""

from typing import Annotated

from litestar import Response, get
from litestar.params import Parameter, QueryParameter

from pipeline.lookup.klout.answers import Callback, answer
from pipeline.lookup.klout.errors import KloutError, NobodyError
from pipeline.lookup.klout.ids import KLOUT, klout_id, network_named, word_of
from pipeline.lookup.klout.people import People, Person, account_at
from pipeline.lookup.klout.shapes import Deltas, Entity, EntityHolder, Identity, Influence, NickedScore, Score, User
from pipeline.lookup.topics import Topic, topics_of
from schemas import native_of

_SHOWN = 5
"""Influencers and influencees in an answer, as Klout sent."""

ScreenName = Annotated[str | None, QueryParameter(name="screenName", description="The name at that network.")]
Network = Annotated[str, Parameter(description="`twitter`, `tw`, `gp`, `ig`, `fb`, or the name of another network.")]
Number = Annotated[str, Parameter(description="The Klout id, from `/v2/identity.json`.")]
TwitterId = Annotated[str, Parameter(description="The numeric id at Twitter.")]


@get("/identity.json/{network:str}")
async def get_identity_by_name(
    network: Network, people: People, screen_name: ScreenName = None, callback: Callback = None
) -> Response[bytes]:
    """Return the Klout id of a name at a network."""
    if not screen_name:
        raise KloutError(400, "The parameter screenName is missing.")
    return answer(await _identity(people, await people.named(network, screen_name)), callback)


@get("/identity.json/{network:str}/{account:str}")
async def get_identity_by_account(
    network: Network, account: str, people: People, callback: Callback = None
) -> Response[bytes]:
    """Return the Klout id of an account; of `klout` and a Klout id, the account that it belongs to."""
    if network in KLOUT:
        user = await _numbered(people, account)
        return answer(Identity(native_of(user), word_of(user)), callback)
    return answer(await _identity(people, await people.owner(f"{network_named(network)}:{account}")), callback)


@get("/identity.json/{network:str}/{number:str}/{wanted:str}")
async def get_account(
    network: Network, number: Number, wanted: Network, people: People, callback: Callback = None
) -> Response[bytes]:
    """Return the account of a Klout id at a network."""
    account = account_at(await _numbered(people, number), wanted) if network in KLOUT else None
    if account is None:
        raise NobodyError
    return answer(Identity(native_of(account), wanted), callback)


@get("/user.json/{number:str}")
async def get_user(number: Number, people: People, callback: Callback = None) -> Response[bytes]:
    """Return a user with score and deltas."""
    return answer(_user(await _person(people, await _numbered(people, number))), callback)


@get("/user.json/{number:str}/score")
async def get_user_score(number: Number, people: People, callback: Callback = None) -> Response[bytes]:
    """Return a score."""
    return answer(_score(await _person(people, await _numbered(people, number))), callback)


@get("/user.json/{number:str}/topics")
async def get_user_topics(number: Number, people: People, callback: Callback = None) -> Response[bytes]:
    """Return the topics of a user, the most frequent first."""
    return answer(await _topics(people, await _numbered(people, number)), callback)


@get("/user.json/{number:str}/influence")
async def get_user_influence(number: Number, people: People, callback: Callback = None) -> Response[bytes]:
    """Return those who influence a user and those whom the user influences."""
    return answer(await _influence(people, await _numbered(people, number)), callback)


@get("/tw-user.json/{account:str}")
async def get_twitter_user(account: TwitterId, people: People, callback: Callback = None) -> Response[bytes]:
    """Return a user by the id at Twitter."""
    return answer(_user(await _person(people, await _twitter(people, account))), callback)


@get("/tw-user.json/{account:str}/score")
async def get_twitter_user_score(account: TwitterId, people: People, callback: Callback = None) -> Response[bytes]:
    """Return a score by the id at Twitter."""
    return answer(_score(await _person(people, await _twitter(people, account))), callback)


@get("/tw-user.json/{account:str}/topics")
async def get_twitter_user_topics(account: TwitterId, people: People, callback: Callback = None) -> Response[bytes]:
    """Return topics by the id at Twitter."""
    return answer(await _topics(people, await _twitter(people, account)), callback)


@get("/tw-user.json/{account:str}/influence")
async def get_twitter_user_influence(account: TwitterId, people: People, callback: Callback = None) -> Response[bytes]:
    """Return influencers and influencees by the id at Twitter."""
    return answer(await _influence(people, await _twitter(people, account)), callback)


HANDLERS = [
    get_identity_by_name,
    get_identity_by_account,
    get_account,
    get_user,
    get_user_score,
    get_user_topics,
    get_user_influence,
    get_twitter_user,
    get_twitter_user_score,
    get_twitter_user_topics,
    get_twitter_user_influence,
]


async def _identity(people: People, user: str | None) -> Identity:
    if user is None:
        raise NobodyError
    return Identity((await _person(people, user)).number, "ks")


async def _numbered(people: People, number: str) -> str:
    user = await people.numbered(number)
    if user is None:
        raise NobodyError
    return user


async def _twitter(people: People, account: str) -> str:
    return await people.owner(f"twitter:{account}")


async def _person(people: People, user: str) -> Person:
    (person,) = await people.known([user])
    if person is None:
        raise NobodyError
    return person


def _deltas(person: Person) -> Deltas:
    return Deltas(person.change(1), person.change(7), person.change(30))


def _user(person: Person) -> User:
    document, deltas = person.document, _deltas(person)
    return User(person.number, document.handle, NickedScore(document.score, document.bucket), deltas, deltas)


def _score(person: Person) -> Score:
    deltas = _deltas(person)
    return Score(person.document.score, deltas, deltas, person.document.bucket)


async def _topics(people: People, user: str) -> list[Topic]:
    await _person(people, user)
    return topics_of(await people.tags(user))


async def _influence(people: People, user: str) -> Influence:
    person = await _person(people, user)
    influencers = await people.influencers(user)
    influencees = await people.influencees(user)
    return Influence(
        [_holder(peer) for peer in await people.best(influencers, _SHOWN)],
        [_holder(peer) for peer in await people.best(influencees, _SHOWN)],
        len(influencers),
        max(person.document.engagers, len(influencees)),
    )


def _holder(person: Person) -> EntityHolder:
    return EntityHolder(Entity(klout_id(person.user), _user(person)))

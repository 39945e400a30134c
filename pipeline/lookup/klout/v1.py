"""
Klout's API, version 1 (2010 - 2012): up to five Twitter names a call, all of them or 404.

Names may stand in one parameter, separated by commas, in repeated ones, or as a JSON list in the form of a POST.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from litestar import HttpMethod, Request, Response, route
from litestar.params import Parameter

from pipeline.lookup.klout.answers import Callback, answer, answer_xml
from pipeline.lookup.klout.classes import kclass
from pipeline.lookup.klout.errors import KloutError, NobodyError
from pipeline.lookup.klout.people import People, Person
from pipeline.lookup.klout.shapes import Influencees, Influencers, KScore, ShownScore, ShownUser, UserTopics
from pipeline.lookup.topics import topics_of
from schemas import native_of

_USERS_LIMIT: Final = 5
_TOPICS: Final = 5
_PEERS: Final = 25

AnyRequest = Request[Any, Any, Any]
Users = Annotated[list[str] | None, Parameter(description="Up to five names, separated by commas.")]


def _methods(path: str) -> Callable[[Any], Any]:
    """Serve a method of version 1 as JSON and XML, by GET and POST."""
    paths = [f"{path}.json", f"{path}.xml"]
    return route(paths, http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)


@_methods("/klout")
async def klout(request: AnyRequest, people: People, users: Users = None, callback: Callback = None) -> Response[bytes]:
    """Return scores."""
    return _answer(request, [_kscore(person) for person in await _wanted(request, people, users)], callback)


@_methods("/users/show")
async def users_show(
    request: AnyRequest, people: People, users: Users = None, callback: Callback = None
) -> Response[bytes]:
    """Return all about the scores of users."""
    return _answer(request, [_shown(person) for person in await _wanted(request, people, users)], callback)


@_methods("/users/topics")
async def users_topics(
    request: AnyRequest, people: People, users: Users = None, callback: Callback = None
) -> Response[bytes]:
    """Return the names of the first topics of users."""
    found = [
        UserTopics(
            person.document.handle,
            [topic.name.lower() for topic in topics_of(await people.tags(person.user))[:_TOPICS]],
        )
        for person in await _wanted(request, people, users)
    ]
    return _answer(request, found, callback)


@_methods("/soi/influenced_by")
async def influenced_by(
    request: AnyRequest, people: People, users: Users = None, callback: Callback = None
) -> Response[bytes]:
    """Return those who influence users."""
    found = []
    for person in await _wanted(request, people, users):
        peers = await people.best(await people.influencers(person.user), _PEERS)
        found.append(Influencers(person.document.handle, [_kscore(peer) for peer in peers]))
    return _answer(request, found, callback)


@_methods("/soi/influencer_of")
async def influencer_of(
    request: AnyRequest, people: People, users: Users = None, callback: Callback = None
) -> Response[bytes]:
    """Return those whom users influence."""
    found = []
    for person in await _wanted(request, people, users):
        peers = await people.best(await people.influencees(person.user), _PEERS)
        found.append(Influencees(person.document.handle, [_kscore(peer) for peer in peers]))
    return _answer(request, found, callback)


HANDLERS = [klout, users_show, users_topics, influenced_by, influencer_of]
V2_HANDLERS = [klout]
"""A client of version 2 asks for `/v2/klout.json` too."""


def _answer(request: AnyRequest, users: list[Any], callback: str | None) -> Response[bytes]:
    if request.scope["path"].rstrip("/").endswith(".xml"):
        return answer_xml("users", users)
    return answer({"status": 200, "users": users}, callback)


async def _wanted(request: AnyRequest, people: People, users: list[str] | None) -> list[Person]:
    """Return those whom a request names."""
    names = _names([*(users or ()), *await _form_users(request)])
    if not 1 <= len(names) <= _USERS_LIMIT:
        raise KloutError(400, f"The parameter users must hold 1 to {_USERS_LIMIT} names.")
    found = [await people.named("twitter", name) for name in names]
    known = await people.known([user for user in found if user is not None])
    persons = [person for person in known if person is not None]
    if len(persons) < len(names):
        raise NobodyError
    return persons


async def _form_users(request: AnyRequest) -> list[str]:
    if request.method != HttpMethod.POST:
        return []
    form = await request.form()
    return [value for value in form.getall("users", []) if isinstance(value, str)]


def _names(values: list[str]) -> list[str]:
    names: list[str] = []
    for value in values:
        if value.lstrip().startswith("["):
            try:
                names += msgspec.json.decode(value, type=list[str])
            except msgspec.DecodeError as exc:
                raise KloutError(400, "The parameter users is no list of names.") from exc
        else:
            names += value.split(",")
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _kscore(person: Person) -> KScore:
    return KScore(person.document.handle, person.document.score)


def _shown(person: Person) -> ShownUser:
    document = person.document
    style = kclass(document)
    score = ShownScore(
        kscore=document.score,
        slope=person.change(30),
        description=style.description,
        kclass_id=style.id,
        kclass=style.name,
        kclass_description=style.description,
        kscore_description=f"{document.handle} has a score of {document.score:.2f}, of the bucket {document.bucket}.",
        network_score=document.factors.network_impact,
        amplification_score=document.factors.amplification,
        true_reach=document.engagers,
        delta_1day=person.change(1),
        delta_5day=person.change(5),
    )
    return ShownUser(native_of(document.user), document.handle, score)

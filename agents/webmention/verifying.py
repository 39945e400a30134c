"""Verifying a mention: the source is fetched, and what it says of the target is compared with what it said before."""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from agents.fetching import Fetched, Fetcher, FetchError, ForbiddenError
from agents.limits import ID_LIMIT
from agents.plausible import REASON, plausible
from agents.protocol import Deletion, Item
from agents.webmention.addresses import host_of
from agents.webmention.ledger import Held, Waiting
from agents.webmention.source import Mention, read
from schemas import Engagement, Profile

_TYPES: Final = ("text/html", "application/xhtml+xml")
_REDIRECTS: Final = 5
_LONGEST: Final = 1 << 20
"""Bytes of a page: ten times a long article."""
_GONE: Final = 410
_BUSY: Final = {408, 425, 429}


class LaterError(Exception):
    """The source does not answer: it may later."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a mention."""

    items: list[Item] = field(default_factory=list)
    reason: str = ""
    """Why nothing follows, in one word."""
    held: Held | None = None
    """What is to be remembered; None where nothing changed."""


async def verify(waiting: Waiting, held: Held | None, fetcher: Fetcher, now: int) -> Verdict:
    """
    Ask the source what it says of the target.

    Args:
        waiting: The mention.
        held: What became of it before.
        fetcher: Asks.
        now: Unix ms.

    Raises:
        LaterError: The source does not answer.
    """
    try:
        page = await fetcher.fetch(waiting.source, ", ".join(_TYPES), redirects=_REDIRECTS, longest=_LONGEST)
    except ForbiddenError:
        return Verdict(reason="forbidden_source")
    except FetchError as exc:
        raise LaterError(str(exc)) from exc
    if page.status == _GONE:
        return _withdrawn(waiting, held) or Verdict(reason="source_gone")
    problem = _problem(page)
    if problem:
        return Verdict(reason=problem)
    try:
        mention = await asyncio.to_thread(read, page.body, page.url, waiting.target)
    except Exception:  # noqa: BLE001 - whatever the parsers stumble over is the page's fault
        return Verdict(reason="malformed")
    if mention is None:
        return _withdrawn(waiting, held) or Verdict(reason="no_link")
    return _published(waiting, held, page, mention, now)


def _problem(page: Fetched) -> str:
    """Return why a page cannot be read, in one word, or nothing."""
    if page.status >= 500 or page.status in _BUSY:
        raise LaterError(f"{page.url} answers {page.status}")
    if page.status != 200:
        return "source_missing"
    return "" if page.content_type.lower().startswith(_TYPES) else "no_html"


def _published(waiting: Waiting, held: Held | None, page: Fetched, mention: Mention, now: int) -> Verdict:
    actor, target = f"blog:{host_of(page.url)}", f"blog:{host_of(waiting.target)}"
    if actor == target:
        return Verdict(reason="self")
    time = waiting.received if mention.published is None else mention.published
    if not plausible(time, now):
        return Verdict(reason=REASON)
    if held is not None and (held.kind, held.actor) == (mention.kind, actor):
        return Verdict(reason="known_mention")
    times = held.times + 1 if held is not None else 1
    made = Engagement(
        id=_named(waiting, times),
        kind=mention.kind,
        network="blog",
        actor=actor,
        target=target,
        time=time,
        object=waiting.target if len(waiting.target) <= ID_LIMIT else None,
    )
    before = _withdrawn(waiting, held)
    items: list[Item] = [*(before.items if before else []), *_profile(actor, mention, now), made]
    return Verdict(items, held=Held(times, mention.kind, actor))


def _withdrawn(waiting: Waiting, held: Held | None) -> Verdict | None:
    """Return the end of what was published, if something was."""
    if held is None or not held.kind:
        return None
    return Verdict([Deletion((_named(waiting, held.times),))], held=Held(held.times, "", held.actor))


def _profile(actor: str, mention: Mention, now: int) -> list[Item]:
    author = mention.author
    if author.name is None:
        return []
    handle = actor.partition(":")[2]
    return [Profile(actor, "blog", now, name=author.name, handle=handle, url=author.url, avatar=author.photo)]


def _named(waiting: Waiting, times: int) -> str:
    digest = sha256(f"{waiting.source}\n{waiting.target}".encode(errors="surrogatepass")).hexdigest()
    return f"blog:webmention/{digest[:32]}/{times}"

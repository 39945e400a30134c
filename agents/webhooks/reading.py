"""From a body to records, as a mapping says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from agents.limits import ID_LIMIT, TEXT_LIMIT
from agents.plausible import REASON, plausible
from agents.protocol import Batch, Deletion, Item
from agents.totals import Total
from agents.webhooks.mapping import Mapping as NetworkMapping
from agents.webhooks.mapping import Rule
from agents.webhooks.paths import Missing, Scope, filled, found, holds, scopes, time
from schemas import Engagement, Kind, Post, Profile

_ELEMENTS: Final = 1_000
"""Events of one body that are looked at: networks send ten or so."""
_MOST: Final = 10**12
"""No total is greater."""
_TOTAL_ID: Final = ID_LIMIT - 64
"""What is counted is named with room for what a total's engagements add."""


@dataclass(slots=True)
class Body(Batch):
    """What a body means, and of what of it somebody must remember what came before."""

    totals: list[Total] = field(default_factory=list)
    """Each stands for one event, whose fate is not yet known."""
    news: list[Post | Engagement] = field(default_factory=list)
    """What the network tells more than once, as when a post is edited: so is the fate of these."""


_Fate = Item | Total | str


def read(mapping: NetworkMapping, body: object, headers: Mapping[str, str], now: int) -> Body:
    """
    Return what a body means; each of its events has one fate.

    Args:
        mapping: The network's.
        body: Decoded JSON, of any shape.
        headers: Of the request, by name in lower case.
        now: When it came, Unix ms.
    """
    batch = Body(time=now)
    for each in dict.fromkeys(rule.each for rule in mapping.event):
        rules = [rule for rule in mapping.event if rule.each == each]
        for scope in scopes(body, headers, each):
            if not each and not any(_fits(rule, scope) for rule in rules):
                # The body itself is no event; what is in it may be.
                continue
            if batch.read == _ELEMENTS:
                batch.skip("too_many")
                return batch
            batch.read += 1
            _add(mapping, rules, scope, batch, now)
    if not batch.read:
        batch.read = 1
        batch.skip("unmapped")
    return batch


def _add(mapping: NetworkMapping, rules: Sequence[Rule], scope: Scope, batch: Body, now: int) -> None:
    fitting = [rule for rule in rules if _fits(rule, scope)]
    fates = [(rule, _fate(mapping, rule, scope, now)) for rule in fitting if rule.kind != "profile"]
    kept = [(rule, fate) for rule, fate in fates if not isinstance(fate, str)]
    if not kept:
        batch.skip(next((fate for _, fate in fates if isinstance(fate, str)), "unmapped"))
        return
    profiles = (_profile(mapping, rule, scope, now) for rule in fitting if rule.kind == "profile")
    batch.items.extend(profile for profile in profiles if profile is not None)
    for rule, fate in kept:
        if isinstance(fate, Total):
            batch.totals.append(fate)
        elif rule.once and isinstance(fate, Post | Engagement):
            batch.news.append(fate)
        else:
            batch.items.append(fate)


def _fits(rule: Rule, scope: Scope) -> bool:
    return (
        holds(rule.when, scope)
        and all(found(path, scope) is not None for path in rule.has)
        and all(found(path, scope) is None for path in rule.lacks)
    )


def _fate(mapping: NetworkMapping, rule: Rule, scope: Scope, now: int) -> _Fate:
    network = mapping.network
    try:
        name = f"{network}:{filled(rule.id, scope)}"
        if rule.kind == "delete":
            return Deletion((name,))
        if rule.kind == "total":
            return _total(mapping, rule, scope)
        actor = f"{network}:{_account(mapping, rule.actor, scope)}"
        on = filled(rule.object, scope) if rule.object else None
        at = time(rule.time, scope) if rule.time else now
        target = actor if rule.kind == "post" else f"{network}:{_account(mapping, rule.target, scope)}"
    except Missing:
        return "missing_field"
    if rule.kind == "post":
        item: Post | Engagement = Post(id=name, network=network, author=actor, time=at, object=on)
    else:
        undo = bool(rule.undo) and holds(rule.undo, scope)
        kind = cast("Kind", rule.kind)
        item = Engagement(name, kind, network, actor, target, at, None if kind == "follow" else on, undo)
    return _problem(item, now) or item


def _account(mapping: NetworkMapping, template: str, scope: Scope) -> str:
    name = filled(template, scope)
    return name.lower() if mapping.ignore_case else name


def _problem(item: Post | Engagement, now: int) -> str:
    if not plausible(item.time, now):
        return REASON
    ids = (item.actor, item.target) if isinstance(item, Engagement) else (item.author,)
    if max(len(text) for text in (item.id, item.object or "", *ids)) > ID_LIMIT:
        return "id_too_long"
    return "self" if isinstance(item, Engagement) and item.actor == item.target else ""


def _total(mapping: NetworkMapping, rule: Rule, scope: Scope) -> Total | str:
    said = {kind: _count(path, scope) for kind, path in rule.totals.items()}
    counts = {kind: count for kind, count in said.items() if count is not None}
    if not counts:
        raise Missing(rule.id)
    name, target = filled(rule.id, scope), _account(mapping, rule.target, scope)
    on = filled(rule.object, scope) if rule.object else None
    if max(len(name), len(target), len(on or "")) > _TOTAL_ID:
        return "id_too_long"
    return Total(mapping.network, name, target, counts, on, time(rule.time, scope) if rule.time else None)


def _count(path: str, scope: Scope) -> int | None:
    """Return a count: a number, or, as Google writes it, a text."""
    said = found(path, scope)
    if isinstance(said, str) and said.isascii() and said.isdecimal():
        said = int(said[:20])
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= _MOST else None


def _profile(mapping: NetworkMapping, rule: Rule, scope: Scope, now: int) -> Profile | None:
    def said(template: str) -> str | None:
        try:
            return filled(template, scope)[:TEXT_LIMIT]
        except Missing:
            return None

    try:
        user = f"{mapping.network}:{_account(mapping, rule.actor, scope)}"
    except Missing:
        return None
    profile = Profile(
        user=user,
        network=mapping.network,
        time=now,
        name=said(rule.name),
        handle=said(rule.handle),
        url=said(rule.url),
        avatar=said(rule.avatar),
        followers=_count(rule.followers, scope) if rule.followers else None,
    )
    tells = (profile.name, profile.handle, profile.url, profile.avatar, profile.followers)
    return profile if len(user) <= ID_LIMIT and any(value is not None for value in tells) else None

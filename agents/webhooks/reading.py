"""From a body to records, as a mapping says."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast

from agents.limits import ID_LIMIT
from agents.plausible import REASON, plausible
from agents.protocol import Batch, Deletion, Item
from agents.webhooks.mapping import Condition, Rule
from agents.webhooks.mapping import Mapping as NetworkMapping
from schemas import Engagement, Post

_PLACE: Final = re.compile(r"\{([^{}]+)\}")
_ELEMENTS: Final = 1_000
"""Events of one body that are looked at: networks send ten or so."""
_MS: Final = 100_000_000_000
"""A greater number is milliseconds: as seconds it is the year 5138."""
_US: Final = 100_000_000_000_000

Scope = Sequence[Mapping[str, object]]
"""Where a path is looked up, the innermost element first."""


class Missing(Exception):  # noqa: N818 - a rule that does not fit is no error
    """A value that a rule needs is not there."""


def read(mapping: NetworkMapping, body: object, headers: Mapping[str, str], now: int) -> Batch:
    """
    Return what a body means; each of its events has one fate.

    Args:
        mapping: The network's.
        body: Decoded JSON, of any shape.
        headers: Of the request, by name in lower case.
        now: When it came, Unix ms.
    """
    batch = Batch(time=now)
    for each in dict.fromkeys(rule.each for rule in mapping.event):
        rules = [rule for rule in mapping.event if rule.each == each]
        for scope in _scopes(body, headers, each):
            if batch.read == _ELEMENTS:
                batch.skip("too_many")
                return batch
            batch.read += 1
            _add(mapping.network, rules, scope, batch, now)
    if not batch.read:
        batch.read = 1
        batch.skip("unmapped")
    return batch


def _add(network: str, rules: Sequence[Rule], scope: Scope, batch: Batch, now: int) -> None:
    fates = [_fate(network, rule, scope, now) for rule in rules if _fits(rule, scope)]
    items = [fate for fate in fates if not isinstance(fate, str)]
    batch.items.extend(items)
    if not items:
        batch.skip(next((fate for fate in fates if isinstance(fate, str)), "unmapped"))


def _fits(rule: Rule, scope: Scope) -> bool:
    return (
        _holds(rule.when, scope)
        and all(_found(path, scope) is not None for path in rule.has)
        and all(_found(path, scope) is None for path in rule.lacks)
    )


def _fate(network: str, rule: Rule, scope: Scope, now: int) -> Item | str:
    try:
        name = f"{network}:{_filled(rule.id, scope)}"
        if rule.kind == "delete":
            return Deletion((name,))
        actor = f"{network}:{_filled(rule.actor, scope)}"
        on = _filled(rule.object, scope) if rule.object else None
        time = _time(rule.time, scope) if rule.time else now
        target = actor if rule.kind == "post" else f"{network}:{_filled(rule.target, scope)}"
    except Missing:
        return "missing_field"
    if rule.kind == "post":
        item: Post | Engagement = Post(id=name, network=network, author=actor, time=time, object=on)
    else:
        undo = bool(rule.undo) and _holds(rule.undo, scope)
        on = None if rule.kind == "follow" else on
        item = Engagement(name, rule.kind, network, actor, target, time, on, undo)
    return _problem(item, now) or item


def _problem(item: Post | Engagement, now: int) -> str:
    if not plausible(item.time, now):
        return REASON
    ids = (item.actor, item.target) if isinstance(item, Engagement) else (item.author,)
    if max(len(text) for text in (item.id, item.object or "", *ids)) > ID_LIMIT:
        return "id_too_long"
    return "self" if isinstance(item, Engagement) and item.actor == item.target else ""


def _scopes(body: object, headers: Mapping[str, str], each: str) -> Iterator[Scope]:
    if not isinstance(body, dict):
        return
    outer: Scope = (body, {"header": headers})
    yield from _inner(outer, body, each.split(".")) if each else iter([outer])


def _inner(outer: Scope, element: Mapping[str, object], names: Sequence[str]) -> Iterator[Scope]:
    found = element.get(names[0])
    for entry in found if isinstance(found, list) else [found]:
        if isinstance(entry, dict):
            scope = (entry, {names[0]: entry}, *outer)
            if len(names) > 1:
                yield from _inner(scope, entry, names[1:])
            else:
                yield scope


def _found(path: str, scope: Scope) -> object:
    for holder in scope:
        value: object = holder
        for name in path.split("."):
            value = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def _holds(condition: Condition, scope: Scope) -> bool:
    for path, wanted in condition.items():
        value = _found(path, scope)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if value is None or text not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def _filled(template: str, scope: Scope) -> str:
    def value(match: re.Match[str]) -> str:
        found = _found(match[1], scope)
        if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
            raise Missing(match[1])
        return str(found)

    filled = _PLACE.sub(value, template)
    if not filled:
        raise Missing(template)
    return filled


def _time(template: str, scope: Scope) -> int:
    text = _filled(template, scope)
    try:
        if text.isdigit():
            number = int(text[:20])
            return number // 1_000 if number >= _US else number if number >= _MS else number * 1_000
        return int(_moment(text).timestamp() * 1_000)
    except (ValueError, OverflowError) as exc:
        raise Missing(template) from exc


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # X writes "Mon Mar 26 16:33:26 +0000 2018".
        moment = datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

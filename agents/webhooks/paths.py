"""Where in a body a value is: paths, templates, conditions, and lists that are gone through."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast

from agents.webhooks.mapping import Condition

_PLACE: Final = re.compile(r"\{([^{}]+)\}")
_MS: Final = 100_000_000_000
"""A greater number is milliseconds: as seconds it is the year 5138."""
_US: Final = 100_000_000_000_000

Scope = Sequence[Mapping[str, object]]
"""Where a path is looked up, the innermost element first."""


class Missing(Exception):  # noqa: N818 - a rule that does not fit is no error
    """A value that a rule needs is not there."""


def scopes(body: object, headers: Mapping[str, str], each: str) -> Iterator[Scope]:
    """Yield the elements of a list in a body, or the body itself, each with what is around it."""
    if not isinstance(body, dict):
        return
    outer: Scope = (body, {"header": headers})
    yield from _inner(outer, body, each.split(".")) if each else iter([outer])


def found(path: str, scope: Scope) -> object:
    """Return what is at a path, or None."""
    for holder in scope:
        value: object = holder
        for name in path.split("."):
            value = cast("Mapping[str, object]", value).get(name) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def holds(condition: Condition, scope: Scope) -> bool:
    """Tell whether the values are there."""
    for path, wanted in condition.items():
        value = found(path, scope)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if value is None or text not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def filled(template: str, scope: Scope) -> str:
    """
    Return a template with the values in it.

    Raises:
        Missing: One is not there.
    """

    def value(match: re.Match[str]) -> str:
        there = found(match[1], scope)
        if isinstance(there, bool) or not isinstance(there, str | int) or there == "":
            raise Missing(match[1])
        return str(there)

    text = _PLACE.sub(value, template)
    if not text:
        raise Missing(template)
    return text


def time(template: str, scope: Scope) -> int:
    """
    Return a time in Unix ms.

    Raises:
        Missing: It is not there, or is no time.
    """
    text = filled(template, scope)
    try:
        if text.isdigit():
            number = int(text[:20])
            return number // 1_000 if number >= _US else number if number >= _MS else number * 1_000
        return int(_moment(text).timestamp() * 1_000)
    except (ValueError, OverflowError) as exc:
        raise Missing(template) from exc


def _inner(outer: Scope, element: Mapping[str, object], names: Sequence[str]) -> Iterator[Scope]:
    there = element.get(names[0])
    for entry in there if isinstance(there, list) else [there]:
        if isinstance(entry, dict):
            scope = (entry, {names[0]: entry}, *outer)
            if len(names) > 1:
                yield from _inner(scope, entry, names[1:])
            else:
                yield scope


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # X writes "Mon Mar 26 16:33:26 +0000 2018".
        moment = datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

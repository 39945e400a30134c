"""
Rows of a table: which column is which field is said by `--columns`.

A row is an engagement: `kind`, `actor`, `target`, `time` and, where there are, `id`, `object`, `network`, `undo` and
`tags` (separated by spaces). Without an id the row itself names it.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, get_args

from agents.limits import ID_LIMIT, tags_of
from pipeline.errors import ConfigError
from schemas import Engagement, Kind

FIELDS: Final = ("id", "kind", "actor", "target", "time", "object", "network", "undo", "tags")
_NEEDED: Final = ("kind", "actor", "target", "time")
_SYNONYMS: Final[dict[str, Kind]] = {
    "favorite": "like",
    "favourite": "like",
    "star": "like",
    "reaction": "like",
    "retweet": "share",
    "repost": "share",
    "reblog": "share",
    "boost": "share",
    "fork": "share",
    "reply": "comment",
    "mention": "comment",
    "subscribe": "follow",
    **{kind: kind for kind in get_args(Kind)},
}
_TRUE: Final = {"1", "true", "yes", "t"}
_MS: Final = 100_000_000_000
"""A greater number is milliseconds."""
_US: Final = 100_000_000_000_000

NAMED: Final = "kind, actor, target and time, or as --columns says"
"""What a table must have, in words."""


def parse_columns(text: str) -> dict[str, str]:
    """
    Return field to column of `actor=from_user,time=created,network:twitter`; a colon gives all rows the same value.

    Raises:
        ConfigError: A field is not known, or named twice.
    """
    columns: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*(\w+)\s*([=:])\s*(.+?)\s*", part)
        if match is None or match[1] not in FIELDS or match[1] in columns:
            raise ConfigError(f"--columns {part}: give FIELD=COLUMN or FIELD:VALUE, fields are {', '.join(FIELDS)}")
        columns[match[1]] = match[3] if match[2] == "=" else f":{match[3]}"
    return columns


class Columns:
    """Where the fields of a table are: in a column, or the same in every row."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """Take what `parse_columns` returns; a field that is not named has a column of its own name."""
        named = {field: given.get(field, field) for field in FIELDS}
        self.constants = {field: column[1:] for field, column in named.items() if column.startswith(":")}
        """Field to the value of all rows."""
        self._named = {field: column for field, column in named.items() if field not in self.constants}

    def missing(self, header: Collection[str]) -> list[str]:
        """Return the columns that a table needs and does not have."""
        return [self._named[field] for field in _NEEDED if field in self._named and self._named[field] not in header]

    def found(self, header: Collection[str]) -> dict[str, str]:
        """Return field to column, of the columns that a table has."""
        return {field: column for field, column in self._named.items() if column in header}


def engagement(said: Mapping[str, str], time: int | None, whole: bytes) -> Engagement | str:
    """
    Return the engagement of a row, or why it is none.

    Args:
        said: The row's values by field; one that it does not have is empty.
        time: When it happened, Unix ms; None where that cannot be read.
        whole: The row as it stands in the file: names an engagement without an id.
    """
    kind = _SYNONYMS.get(said["kind"].lower())
    if kind is None:
        return "other_kind"
    actor, target = (_user(said[end], said["network"]) for end in ("actor", "target"))
    if time is None or not actor or not target or max(map(len, said.values())) > ID_LIMIT // 2:
        return "malformed"
    if actor == target:
        return "self"
    network = actor.partition(":")[0]
    name = said["id"] or sha256(whole).hexdigest()[:32]
    return Engagement(
        id=f"{network}:{name.removeprefix(f'{network}:')}",
        kind=kind,
        network=network,
        actor=actor,
        target=target,
        time=time,
        object=None if kind == "follow" else said["object"] or None,
        undo=said["undo"].lower() in _TRUE,
        tags=tags_of(said["tags"].split()),
    )


def time_of(text: str) -> int | None:
    """Return a time, Unix ms, of ISO 8601 or of Unix seconds, milliseconds or microseconds; None where it is none."""
    if text.isascii() and text.isdigit() and 9 <= len(text) <= 17:
        number = int(text)
        return number // 1_000 if number >= _US else number if number >= _MS else number * 1_000
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None


def _user(name: str, network: str) -> str:
    if ":" in name and not network:
        return name
    return f"{network}:{name.removeprefix(f'{network}:')}" if name and network else ""

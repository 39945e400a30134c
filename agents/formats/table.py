"""
Tables: engagements in rows and columns, CSV here; which column is which field is said by `--columns`.

A row is an engagement: `kind`, `actor`, `target`, `time` and, where there are, `id`, `object`, `network`, `undo` and
`tags` (separated by spaces). Without an id the row itself names it.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, get_args

from agents.limits import ID_LIMIT, tags_of
from agents.protocol import Batch
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


class Table:
    """Reads rows of CSV; the first line names the columns."""

    expected = "a first line with the names of columns, among them kind, actor, target and time, or as --columns says"

    def __init__(self, shift: int = 0, columns: Mapping[str, str] | None = None) -> None:
        self._shift = shift
        self._columns = {field: (columns or {}).get(field, field) for field in FIELDS}
        self._header: list[str] = []

    def check(self, line: bytes) -> bool:
        """Tell whether the first line names every column that is needed."""
        self._header = _cells(line)
        columns = [self._columns[field] for field in _NEEDED]
        return all(column.startswith(":") or column in self._header for column in columns)

    def time(self, line: bytes) -> int | None:
        """Return the time of a row; the first line must have been checked."""
        return _time(self._cell("time", _cells(line)))

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read rows; one that is no engagement is skipped."""
        batch = Batch(read=len(lines))
        for line in lines:
            cells = _cells(line)
            if cells == self._header:
                batch.skip("header")
                continue
            fate = self._row(cells, line) if any(cells) else "blank"
            if isinstance(fate, str):
                batch.skip(fate)
            else:
                batch.time = max(fate.time, batch.time or 0)
                batch.items.append(fate)
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()

    def _row(self, cells: Sequence[str], line: bytes) -> Engagement | str:
        said = {field: self._cell(field, cells) for field in FIELDS}
        kind, time = _SYNONYMS.get(said["kind"].lower()), _time(said["time"])
        if kind is None:
            return "other_kind"
        actor, target = (_user(said[end], said["network"]) for end in ("actor", "target"))
        if time is None or not actor or not target or max(map(len, said.values())) > ID_LIMIT // 2:
            return "malformed"
        if actor == target:
            return "self"
        network = actor.partition(":")[0]
        name = said["id"] or sha256(line.strip()).hexdigest()[:32]
        return Engagement(
            id=f"{network}:{name.removeprefix(f'{network}:')}",
            kind=kind,
            network=network,
            actor=actor,
            target=target,
            time=time + self._shift,
            object=None if kind == "follow" else said["object"] or None,
            undo=said["undo"].lower() in _TRUE,
            tags=tags_of(said["tags"].split()),
        )

    def _cell(self, field: str, cells: Sequence[str]) -> str:
        column = self._columns[field]
        if column.startswith(":"):
            return column[1:]
        place = self._header.index(column) if column in self._header else len(cells)
        return cells[place].strip() if place < len(cells) else ""


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")]), [])
    except (UnicodeError, csv.Error):
        return []


def _user(name: str, network: str) -> str:
    if ":" in name and not network:
        return name
    return f"{network}:{name.removeprefix(f'{network}:')}" if name and network else ""


def _time(text: str) -> int | None:
    if text.isdigit() and 9 <= len(text) <= 17:
        number = int(text)
        return number // 1_000 if number >= _US else number if number >= _MS else number * 1_000
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None

"""What was mentioned: the mentions that wait to be verified, and what became of those before. On disk."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from pipeline.errors import ConfigError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS waiting (
    source TEXT, target TEXT, host TEXT, received INTEGER, tries INTEGER, due INTEGER, PRIMARY KEY (source, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_due ON waiting (due);
CREATE INDEX IF NOT EXISTS waiting_host ON waiting (host);
CREATE TABLE IF NOT EXISTS held (
    place INTEGER PRIMARY KEY, source TEXT, target TEXT, value BLOB, UNIQUE (source, target)
);
"""
# One that is told again while it is looked at gets another time, and is looked at once more.
_RECEIVE: Final = """
INSERT INTO waiting VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT (source, target)
DO UPDATE SET received = max(excluded.received, received + 1), tries = 0, due = excluded.due
"""
_WAITING: Final = 10_000
_OF_A_HOST: Final = 500
"""Mentions that wait: a site that sends thousands must not keep the others out."""
_HELD: Final = 500_000
"""Mentions that are remembered, some 300 bytes each; of an older one an update counts as a new one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mention that was received and not yet verified."""

    source: str
    target: str
    received: int
    """Unix ms."""
    tries: int


class Held(msgspec.Struct, array_like=True, frozen=True):
    """What became of a mention."""

    times: int
    """How often something was published of it: the number in the newest id."""
    kind: str
    """Nothing where it was withdrawn."""
    actor: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mention is from now on."""

    waiting: Waiting
    held: Held | None
    """None where nothing changed."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Held).decode


class Ledger:
    """
    The mentions of one receiver.

    What is received is on disk before its sender is told so, and waits until what followed from it is in the log.
    """

    def __init__(self, path: Path) -> None:
        """
        Open or create the tables.

        Raises:
            ConfigError: The file cannot be used.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._db:
                self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"cannot use {path}: {exc}; remove it to begin anew, or set CLOUT_DATA_DIR") from exc

    def receive(self, source: str, target: str, host: str, now: int) -> bool:
        """Keep a mention; False where too many wait."""
        total, of_host = self._db.execute(
            "SELECT count(*), (SELECT count(*) FROM waiting WHERE host = ?) FROM waiting", (host,)
        ).fetchone()
        if total >= _WAITING or of_host >= _OF_A_HOST:
            return False
        with self._db:
            self._db.execute(_RECEIVE, (source, target, host, now, now))
        return True

    def due(self, now: int, most: int) -> list[Waiting]:
        """Return mentions whose time has come, the first first."""
        rows = self._db.execute(
            "SELECT source, target, received, tries FROM waiting WHERE due <= ? ORDER BY due LIMIT ?", (now, most)
        )
        return [Waiting(*row) for row in rows]

    def held(self, source: str, target: str) -> Held | None:
        """Return what became of a mention before."""
        row = self._db.execute("SELECT value FROM held WHERE source = ? AND target = ?", (source, target)).fetchone()
        return None if row is None else _decode(row[0])

    def postpone(self, waiting: Waiting, due: int) -> None:
        """Look at a mention again, later."""
        with self._db:
            self._db.execute(
                "UPDATE waiting SET tries = tries + 1, due = ? WHERE source = ? AND target = ? AND received = ?",
                (due, waiting.source, waiting.target, waiting.received),
            )

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Keep what became of mentions: the broker has it."""
        with self._db:
            for outcome in outcomes:
                which = (outcome.waiting.source, outcome.waiting.target)
                if outcome.held is not None:
                    self._db.execute(
                        "REPLACE INTO held (source, target, value) VALUES (?, ?, ?)", (*which, _encode(outcome.held))
                    )
                # One that was told again in the meantime has another time, and is looked at again.
                self._db.execute(
                    "DELETE FROM waiting WHERE source = ? AND target = ? AND received = ?",
                    (*which, outcome.waiting.received),
                )
            self._db.execute("DELETE FROM held WHERE place <= (SELECT max(place) FROM held) - ?", (_HELD,))

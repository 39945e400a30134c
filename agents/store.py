"""The durable memory: what an agent published, in SQLite, so that a deletion is an undo after a restart too."""

import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from xxhash import xxh128_digest

from agents.memory import Event, merge
from pipeline.errors import ConfigError
from schemas import Engagement, Post, Profile

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (place INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
"""
_CACHE_KIB: Final = 65_536
"""Pages kept in memory: the index of a million entries fits."""
_AT_ONCE: Final = 50_000
"""Old entries that one save removes at most, so that a smaller limit does not hold up the agent for long."""

_encode = msgspec.msgpack.Encoder().encode
_engagement = msgspec.msgpack.Decoder(Engagement).decode
_post = msgspec.msgpack.Decoder(Post).decode
_profile = msgspec.msgpack.Decoder(Profile).decode


class DurableMemory:
    """
    A bounded table of records by the hash of their id; the oldest go first.

    Each batch is one transaction, written before the batch is published: what a killed process has published, the next
    one knows, and publishes the same. What was taken stays in the table until the broker has the undo: the source is
    read again, and the deletion must find its record once more.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """
        Open or create the table; nobody else may use it meanwhile.

        Args:
            path: The file.
            limit: How many entries are kept; each takes some 400 bytes.

        Raises:
            ConfigError: The file cannot be used, or another process does.
        """
        self._path = path
        self._limit = limit
        self._fresh: dict[bytes, bytes] = {}
        self._taken: set[bytes] = set()
        self._open: list[bytes] = []
        self._closed: deque[list[bytes]] = deque()
        """The keys taken in each batch that has not settled."""
        self._settled = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _open(path)
        except (OSError, sqlite3.Error) as exc:
            busy = "locked" in str(exc)
            what = "another agent of this name uses it" if busy else "remove it to begin anew, or set CLOUT_DATA_DIR"
            raise ConfigError(f"cannot use the memory {path}: {exc}; {what}") from exc

    def remember(self, record: Event) -> Event:
        """Keep a record; returns the earlier one of the same id where there is one."""
        key = _key(record.id)
        held = self._get(key)
        if held is not None:
            return _decode(held)
        self._fresh[key] = (b"e" if type(record) is Engagement else b"p") + _encode(record)
        return record

    def take(self, record_id: str) -> Event | None:
        """Return the record of this id, once."""
        key = _key(record_id)
        held = None if key in self._taken else self._get(key)
        if held is None:
            return None
        self._taken.add(key)
        self._open.append(key)
        return _decode(held)

    def complete(self, profile: Profile) -> Profile:
        """Fill in what is known of the user."""
        key = _key(f"profile:{profile.user}")
        held = self._get(key)
        merged = merge(_profile(held) if held else None, profile)
        self._fresh[key] = _encode(merged)
        return merged

    def end_batch(self) -> None:
        """
        Write what the batch brought; the operating system has it then, the disk after the next `save`.

        Raises:
            ConfigError: The disk is full, or damaged.
        """
        self._closed.append(self._open)
        self._open = []
        if self._fresh:
            self._write("REPLACE INTO entries (key, value) VALUES (?, ?)", list(self._fresh.items()))
            self._fresh.clear()

    def save(self, batches: int) -> None:
        """
        Bring everything to the disk, and forget what the settled batches took and what is too old.

        Raises:
            ConfigError: The disk is full, or damaged.
        """
        gone: list[bytes] = []
        while self._settled < batches:
            gone += self._closed.popleft()
            self._settled += 1
        self._db.execute("PRAGMA synchronous = FULL")
        self._write("DELETE FROM entries WHERE key = ?", [(key,) for key in gone], trim=True)
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._taken.difference_update(gone)

    def close(self) -> None:
        """Close the file; what was not saved is as after a crash."""
        self._db.close()

    def _get(self, key: bytes) -> bytes | None:
        held = self._fresh.get(key)
        if held is not None:
            return held
        row = self._db.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def _write(self, statement: str, rows: Sequence[tuple[bytes, ...]], *, trim: bool = False) -> None:
        try:
            with self._db:
                self._db.executemany(statement, rows)
                if trim:
                    self._trim()
        except sqlite3.Error as exc:
            raise ConfigError(f"cannot write the memory {self._path}: {exc}; make room, or set CLOUT_DATA_DIR") from exc

    def _trim(self) -> None:
        first, last = self._db.execute("SELECT min(place), max(place) FROM entries").fetchone()
        if last is not None and last - first >= self._limit:
            self._db.execute("DELETE FROM entries WHERE place <= ?", (min(last - self._limit, first + _AT_ONCE),))


def _open(path: Path) -> sqlite3.Connection:
    # One connection, used by one thread at a time; a second process fails at once instead of sharing.
    db = sqlite3.connect(path, timeout=0, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        # Only what the cursor depends on is waited for: a power cut must not leave a cursor ahead of the table.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        with db:
            db.execute(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _key(name: str) -> bytes:
    return xxh128_digest(name.encode(errors="surrogatepass"))


def _decode(value: bytes) -> Event:
    return _engagement(value[1:]) if value[:1] == b"e" else _post(value[1:])

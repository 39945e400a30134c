"""A table of what an agent must know when it goes on, kept on disk once the broker has what followed from it."""

import sqlite3
from pathlib import Path
from typing import Final

from pipeline.errors import ConfigError

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS entries (place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB)"


class SettledTable:
    """
    Bytes by name, the newest names in a number that is bounded.

    What is put is known in this process at once, and on disk when its batch has settled: after a crash before that, the
    source is read again, and the same follows from it.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """
        Open or create the table.

        Args:
            path: The file.
            limit: How many entries are kept.

        Raises:
            ConfigError: The file cannot be used.
        """
        self._limit = limit
        self._fresh: dict[str, bytes] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._db:
                self._db.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"cannot use {path}: {exc}; remove it to begin anew, or set CLOUT_DATA_DIR") from exc

    def get(self, key: str) -> bytes | None:
        """Return what was put last, or None."""
        if key in self._fresh:
            return self._fresh[key]
        row = self._db.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes) -> None:
        """Keep a value in this process."""
        self._fresh[key] = value

    def take(self) -> dict[str, bytes]:
        """Return what is not yet on disk, to be given to `settle` when the broker has what followed from it."""
        return dict(self._fresh)

    def settle(self, entries: dict[str, bytes]) -> None:
        """Keep entries on disk."""
        if not entries:
            return
        with self._db:
            self._db.executemany("REPLACE INTO entries (key, value) VALUES (?, ?)", list(entries.items()))
            self._db.execute("DELETE FROM entries WHERE place <= (SELECT max(place) FROM entries) - ?", (self._limit,))
        for key, value in entries.items():
            if self._fresh.get(key) is value:
                del self._fresh[key]

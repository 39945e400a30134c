"""The file of an export: written beside its place, and moved there when all of it is on the disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from pipeline.errors import ConfigError
from pipeline.lookup.export.kinds import Kind, Row
from pipeline.lookup.export.pages import Page

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetWriter

SUFFIXES: Final = (".ndjson", ".parquet")
_GROUP: Final = 16_384
"""Rows of a row group: 100 MB of details while it is put together."""


class Rows(Protocol):
    """An open file of one format."""

    rows: int
    """Written so far."""

    def add(self, page: Page) -> None:
        """Write what a page of users becomes."""

    def end(self) -> None:
        """Write what is still held."""


class _Lines:
    """NDJSON: a document a line, as it is in Redis."""

    def __init__(self, file: BinaryIO, kind: Kind) -> None:
        self._file = file
        self._kind = kind
        self.rows = 0

    def add(self, page: Page) -> None:
        """Write lines."""
        lines = [line for user, value in page for line in self._kind.lines(user, value)]
        self.rows += len(lines)
        self._file.write(b"".join(line + b"\n" for line in lines))

    def end(self) -> None:
        """Nothing is held."""


class _Groups:
    """Parquet: rows in groups."""

    def __init__(self, writer: "ParquetWriter", schema: "Schema", kind: Kind) -> None:
        self._writer = writer
        self._schema = schema
        self._kind = kind
        self._held: list[Row] = []
        self.rows = 0

    def add(self, page: Page) -> None:
        """Hold rows until there are enough for a group."""
        self._held += [row for user, value in page for row in self._kind.rows(user, value)]
        while len(self._held) >= _GROUP:
            self._write(self._held[:_GROUP])
            del self._held[:_GROUP]

    def end(self) -> None:
        """Write the last group."""
        if self._held:
            self._write(self._held)

    def _write(self, rows: list[Row]) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(rows, self._schema))
        self.rows += len(rows)


@contextmanager
def written(path: Path, kind: Kind) -> Iterator[Rows]:
    """
    Open a file of the format that its name ends with; an error on the way leaves what was there before.

    Raises:
        ConfigError: The name has another ending, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"cannot export to {path}: let its name end with {' or '.join(SUFFIXES)}")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            with _format(file, path.suffix, kind) as rows:
                yield rows
                rows.end()
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        raise ConfigError(f"cannot write {path} ({exc.strerror or exc}): make room, or name another place") from exc
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _format(file: BinaryIO, suffix: str, kind: Kind) -> Iterator[Rows]:
    if suffix == ".ndjson":
        yield _Lines(file, kind)
        return
    try:
        from pyarrow.parquet import ParquetWriter
    except ImportError as exc:
        raise ConfigError("Parquet needs a package that is not installed: pip install 'clout[parquet]'") from exc
    schema = kind.schema()
    with ParquetWriter(file, schema, compression="zstd") as writer:
        yield _Groups(writer, schema, kind)

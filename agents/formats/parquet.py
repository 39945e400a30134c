"""Parquet: a table in columns; `agents/formats/rows.py` says what becomes of a row. Needs the extra `parquet`."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from agents.formats.rows import FIELDS, NAMED, Columns, engagement, time_of
from agents.limits import ID_LIMIT
from agents.protocol import Batch
from agents.span import ALWAYS, Span
from pipeline.errors import ConfigError, ContractError

if TYPE_CHECKING:
    from pyarrow import Array, RecordBatch
    from pyarrow.parquet import ParquetFile

_ROWS: Final = 8192
"""Rows decoded at a time."""
_LARGEST_GROUP: Final = 1 << 30
"""Bytes of a row group, unpacked; what says that it has more is not read."""

Cell: TypeAlias = str | int | float | bool | list[str] | None
Row: TypeAlias = tuple[dict[str, str], int | None]
"""The values of a row by field, and its time, Unix ms."""


class ParquetSource:
    """Rows of a Parquet file, in the order of the file."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        """
        Read what the file says of itself.

        Args:
            path: The file.
            columns: Field to column, as `parse_columns` returns it.
        """
        self._path = path
        self._columns = Columns(columns)
        self._file = _opened(path)
        header = self._file.schema_arrow.names
        if missing := self._columns.missing(header):
            raise ContractError(f"{path}: expected columns {NAMED}; no {', '.join(missing)} among {', '.join(header)}")
        self._found = self._columns.found(header)
        self._check_groups()
        self.size = path.stat().st_size
        self._span = ALWAYS
        self._rows: Iterator[Row] = iter(())
        self._number = 0

    def latest(self, span: Span, limit: int | None) -> int | None:
        """Look at the time of every row."""
        found = {field: column for field, column in self._found.items() if field == "time"}
        times = (time for _, time in islice(self._read(0, found), limit))
        return max((time for time in times if time is not None and span.refuses(time) is None), default=None)

    def start(self, span: Span, skip: int) -> None:
        """Begin behind some rows; row groups that lie before them are not read."""
        self._span = span
        self._number = skip
        self._rows = self._read(skip, self._found)

    def read(self, count: int) -> Batch | None:
        """Read rows; one that is no engagement is skipped."""
        rows = list(islice(self._rows, count))
        batch = Batch(read=len(rows))
        for said, time in rows:
            moved = None if time is None else time + self._span.shift
            fate = engagement(said, moved, repr(list(said.values())).encode(errors="surrogatepass"))
            if isinstance(fate, str):
                batch.skip(fate)
            else:
                self._span.add(batch, fate.time, [fate])
        self._number += len(rows)
        return batch if rows else None

    def share(self) -> float:
        """Return how many of the rows have been read."""
        rows: int = self._file.metadata.num_rows
        return min(1.0, self._number / max(1, rows))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_groups(self) -> None:
        for number in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(number).total_byte_size
            if size > _LARGEST_GROUP:
                most = _LARGEST_GROUP >> 20
                raise ContractError(
                    f"{self._path}, row group {number}: expected {most} MiB at most, found {size >> 20}: "
                    "write the file with smaller row groups"
                )

    def _read(self, skip: int, found: Mapping[str, str]) -> Iterator[Row]:
        groups = list(range(self._file.num_row_groups))
        while groups and skip >= self._file.metadata.row_group(groups[0]).num_rows:
            skip -= self._file.metadata.row_group(groups.pop(0)).num_rows
        try:
            for batch in self._file.iter_batches(_ROWS, row_groups=groups, columns=list(found.values())):
                yield from islice(self._rows_of(batch, found), skip, None)
                skip = max(0, skip - batch.num_rows)
        except (OSError, ValueError) as exc:  # pyarrow's own errors are both
            raise ContractError(f"{self._path}, after row {self._number}: the file is damaged: {exc}") from exc

    def _rows_of(self, batch: "RecordBatch", found: Mapping[str, str]) -> Iterator[Row]:
        blank = dict.fromkeys(FIELDS, "") | self._columns.constants
        cells = [_cells(batch.column(column)) for column in found.values()]
        moments = _moments(batch.column(found["time"])) if "time" in found else None
        for number, row in enumerate(zip(*cells, strict=True) if cells else [()] * batch.num_rows):
            said = blank | {field: _text(cell) for field, cell in zip(found, row, strict=True)}
            yield said, time_of(said["time"]) if moments is None else moments[number]


def _opened(path: Path) -> "ParquetFile":
    try:
        from pyarrow import parquet, types
    except ImportError as exc:
        raise ConfigError("Parquet needs a package that is not installed: pip install 'clout[parquet]'") from exc
    try:
        # Kept as they are in the file: a long string that a million rows repeat is there once.
        texts = [
            field.name
            for field in parquet.read_schema(path)
            if types.is_string(field.type) or types.is_large_string(field.type)
        ]
        return parquet.ParquetFile(path, read_dictionary=texts)
    except FileNotFoundError as exc:
        raise ConfigError(f"cannot read {path}: No such file or directory") from exc
    except (OSError, ValueError) as exc:
        raise ContractError(f"{path}: expected a Parquet file; {exc}") from exc


def _cells(column: "Array") -> list[Cell]:
    """Return the values of a column; of a string that is too long for any field, its beginning."""
    from pyarrow import compute, types

    if types.is_dictionary(column.type) and types.is_string(column.type.value_type):
        short = compute.utf8_slice_codeunits(column.dictionary, 0, ID_LIMIT)
        cells: list[Cell] = short.take(column.indices).to_pylist()
        return cells
    if types.is_timestamp(column.type):
        return list(_moments(column) or ())
    cells = column.to_pylist()
    return [cell if isinstance(cell, str | int | float | list) else None for cell in cells]


def _moments(column: "Array") -> list[int | None] | None:
    """Return the times of a column of timestamps, Unix ms; None where the column has another type."""
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        return None
    moments: list[int | None] = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64()).to_pylist()
    return moments


def _text(cell: Cell) -> str:
    """Return a value as it would stand in a CSV; nothing, of a type that no field has."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, list):
        return " ".join(map(str, cell))
    if isinstance(cell, bool):
        return "true" if cell else ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else ""
    return str(cell) if isinstance(cell, int) else ""

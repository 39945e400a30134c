"""CSV: a table whose first line names the columns; `agents/formats/rows.py` says what becomes of a row."""

import csv
from collections.abc import Mapping, Sequence

from agents.formats.rows import FIELDS, NAMED, Columns, engagement, time_of
from agents.protocol import Batch
from agents.span import ALWAYS, Span


class Table:
    """Reads rows of CSV; one that is no engagement is skipped."""

    expected = f"a first line with the names of columns, among them {NAMED}"

    def __init__(self, span: Span = ALWAYS, columns: Mapping[str, str] | None = None) -> None:
        self._span = span
        self._columns = Columns(columns or {})
        self._header: list[str] = []
        self._places: dict[str, int] = {}

    def check(self, line: bytes) -> bool:
        """Tell whether the first line names every column that is needed."""
        self._header = _cells(line)
        self._places = {field: self._header.index(name) for field, name in self._columns.found(self._header).items()}
        return not self._columns.missing(self._header)

    def time(self, line: bytes) -> int | None:
        """Return the time of a row; the first line must have been checked."""
        return time_of(self._said(_cells(line))["time"])

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read rows."""
        batch = Batch(read=len(lines))
        for line in lines:
            cells = _cells(line)
            if cells == self._header:
                batch.skip("header")
            elif any(cells):
                self._add(self._said(cells), line, batch)
            else:
                batch.skip("blank" if cells or not line.strip() else "malformed")
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()

    def _add(self, said: dict[str, str], line: bytes, batch: Batch) -> None:
        time = time_of(said["time"])
        moved = None if time is None else time + self._span.shift
        fate = engagement(said, moved, line.strip())
        if isinstance(fate, str):
            batch.skip(fate)
        else:
            self._span.add(batch, fate.time, [fate])

    def _said(self, cells: Sequence[str]) -> dict[str, str]:
        said = dict.fromkeys(FIELDS, "") | self._columns.constants
        for field, place in self._places.items():
            if place < len(cells):
                said[field] = cells[place].strip()
        return said


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")]), [])
    except (UnicodeError, csv.Error):
        return []

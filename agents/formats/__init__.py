"""The file formats of `clout agent replay`: one file each, and these tables."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from agents.exports import EXPORTS
from agents.exports.source import ExportSource
from agents.format_name import FormatName
from agents.formats.base import Format
from agents.formats.gharchive import GhArchive
from agents.formats.higgs import Higgs
from agents.formats.jetstream import Jetstream
from agents.formats.klout import Klout
from agents.formats.ndjson import Ndjson
from agents.formats.parquet import ParquetSource
from agents.formats.source import LineSource, Source
from agents.formats.table import Table
from agents.span import Span

FORMATS: Final[dict[str, Callable[[Span], Format]]] = {
    "csv": Table,
    "gharchive": GhArchive,
    "higgs": Higgs,
    "jetstream": Jetstream,
    "klout": Klout,
    "ndjson": Ndjson,
}
"""Files of lines: each makes a format that keeps to a part of time."""


def open_source(path: Path, name: FormatName, columns: Mapping[str, str]) -> Source:
    """
    Open a file or a folder, and check that it is of a format.

    Args:
        path: What to read.
        name: The format.
        columns: Of a table: field to column.

    Raises:
        ConfigError: It cannot be read.
        ContractError: It is of another format.
    """
    if name == "parquet":
        return ParquetSource(path, columns)
    if name in EXPORTS:
        return ExportSource(path, EXPORTS[name])
    return LineSource(path, partial(Table, columns=columns) if name == "csv" else FORMATS[name])

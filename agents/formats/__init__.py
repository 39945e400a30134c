"""The file formats of `clout agent replay`: one file each, and this table."""

from collections.abc import Callable
from typing import Literal

from agents.formats.base import Format
from agents.formats.gharchive import GhArchive
from agents.formats.higgs import Higgs
from agents.formats.jetstream import Jetstream
from agents.formats.klout import Klout
from agents.formats.ndjson import Ndjson
from agents.formats.table import Table

FormatName = Literal["csv", "gharchive", "higgs", "jetstream", "klout", "ndjson"]

FORMATS: dict[FormatName, Callable[[int], Format]] = {
    "csv": Table,
    "gharchive": GhArchive,
    "higgs": Higgs,
    "jetstream": Jetstream,
    "klout": Klout,
    "ndjson": Ndjson,
}
"""Each makes a format from the milliseconds that its times are moved by."""

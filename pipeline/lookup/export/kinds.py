"""What can be exported: for each the string in Redis, the lines of NDJSON and the columns of Parquet."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
import orjson

from pipeline.lookup import keys
from pipeline.lookup.history.series import Series
from schemas import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

KindName = Literal["scores", "details", "history"]

Row: TypeAlias = dict[str, Any]
"""A row of Parquet, as pyarrow takes it: any value that JSON has."""


class ScorePoint(msgspec.Struct, frozen=True, gc=False):
    """A line of an exported history: the score that holds from a moment on."""

    user: str
    time: int
    """Event time, Unix ms."""
    score: float


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can be exported."""

    key: Callable[[str], str]
    """The string in Redis of a user."""
    lines: Callable[[str, bytes], Iterable[bytes]]
    """What a user's string becomes in NDJSON, without line ends."""
    rows: Callable[[str, bytes], Iterable[Row]]
    """What it becomes in Parquet."""
    schema: Callable[[], "pa.Schema"]
    """The columns."""


def _document(_user: str, value: bytes) -> Iterator[bytes]:
    yield value


def _points(user: str, value: bytes) -> Iterator[bytes]:
    for point in Series.decode(value).points:
        yield msgspec.json.encode(ScorePoint(user, point.time, point.score))


def _score_rows(_user: str, value: bytes) -> Iterator[Row]:
    row = orjson.loads(value)
    row["networks"] = list(row["networks"].items())
    yield row


def _details_rows(_user: str, value: bytes) -> Iterator[Row]:
    yield orjson.loads(value)


def _history_rows(user: str, value: bytes) -> Iterator[Row]:
    for point in Series.decode(value).points:
        yield {"user": user, "time": point.time, "score": point.score}


def _score_columns() -> "pa.Schema":
    import pyarrow as pa

    moment = pa.timestamp("ms", "UTC")
    counts = pa.struct([(f"{kind}s", pa.int64()) for kind in KINDS])
    network = pa.struct([("score", pa.float64()), ("share", pa.float64()), ("last", moment)])
    return pa.schema(
        [
            ("user", pa.string()),
            ("handle", pa.string()),
            ("name", pa.string()),
            ("avatar", pa.string()),
            ("score", pa.float64()),
            ("previous", pa.float64()),
            ("bucket", pa.string()),
            ("percentile", pa.float64()),
            ("confidence", pa.float64()),
            (
                "factors",
                pa.struct([(name, pa.float64()) for name in ("true_reach", "amplification", "network_impact")]),
            ),
            ("networks", pa.map_(pa.string(), network)),
            ("engagement", pa.struct([(window, counts) for window in ("1h", "24h", "7d", "90d")])),
            ("engagers", pa.int64()),
            ("authenticity", pa.int64()),
            ("model", pa.string()),
            ("version", pa.int64()),
            ("time", moment),
            ("as_of", moment),
            ("person", pa.string()),
        ]
    )


def _details_columns() -> "pa.Schema":
    import pyarrow as pa

    moment, points = pa.timestamp("ms", "UTC"), pa.float64()

    def counted(name: str) -> "pa.DataType":
        return pa.list_(pa.struct([(name, pa.string()), ("count", pa.int64())]))

    def weighed(name: str, weight: str) -> "pa.DataType":
        return pa.list_(pa.struct([(name, pa.string()), (weight, points)]))

    windows = [(window, pa.int64()) for window in ("1h", "24h", "7d", "90d")]
    return pa.schema(
        [
            ("user", pa.string()),
            ("actors", counted("actor")),
            ("posts", counted("object")),
            ("tags", counted("tag")),
            ("contributions", weighed("factor", "points")),
            ("version", pa.int64()),
            ("time", moment),
            ("as_of", moment),
            ("networks", weighed("network", "points")),
            ("strengths", pa.list_(pa.string())),
            ("weaknesses", pa.list_(pa.string())),
            ("advice", pa.struct([("what", pa.string()), ("points", points)])),
            ("discounts", weighed("signal", "share")),
            ("fading", pa.struct([("day", points), ("week", points)])),
            ("moments", pa.list_(pa.struct([("object", pa.string()), *windows, ("points", points)]))),
        ]
    )


def _history_columns() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([("user", pa.string()), ("time", pa.timestamp("ms", "UTC")), ("score", pa.float64())])


EXPORTED: Final[dict[KindName, Kind]] = {
    "scores": Kind(keys.user, _document, _score_rows, _score_columns),
    "details": Kind(keys.details, _document, _details_rows, _details_columns),
    "history": Kind(keys.history, _points, _history_rows, _history_columns),
}

"""A table in Parquet is read like one in CSV."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from agents.formats import parquet as module
from agents.formats.rows import parse_columns
from agents.replay import Replay, ReplayConfig
from pipeline.errors import ConfigError, ContractError
from schemas import Engagement

NOW = 1_790_000_000_000
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = "actor=who,target=whom,time=when,kind=did,object=about,network:n"


def table(count: int = 20, **columns: Any) -> dict[str, Any]:
    """Return the columns of likes, a second apart."""
    whole = {
        "who": [f"a{n}" for n in range(count)],
        "whom": list(range(count, 2 * count)),
        "when": [1_767_225_600 + n for n in range(count)],
        "did": ["like"] * count,
        "about": ["x"] * count,
    }
    return {**whole, **columns}


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    """Write a file."""
    parquet.write_table(pa.table(columns), path, **options)
    return path


async def read(path: Path, line: int | None = None, **changes: Any) -> Any:
    """Return all that a replay of a file yields, as one batch."""
    replay = Replay(ReplayConfig(path, "parquet", columns=parse_columns(COLUMNS), **changes), clock=lambda: NOW)
    position = None if line is None else {"line": line, "shift": 0, "size": path.stat().st_size}
    first = None
    async for batch in replay.batches(position):  # type: ignore[arg-type]
        if first is None:
            first = batch
        else:
            first.add(batch)
    return first


async def test_rows_are_read_as_their_columns_are_named(tmp_path: Path) -> None:
    """Numbers may be ids, and a moment is a moment, in whichever unit and zone."""
    for when in (
        pa.array([MOMENT] * 20, pa.timestamp("us", "America/New_York")),
        pa.array([MOMENT.replace(tzinfo=None)] * 20, pa.timestamp("ns")),
        pa.array([MOMENT.isoformat()] * 20),
        pa.array([int(MOMENT.timestamp())] * 20),
    ):
        batch = await read(write(tmp_path / "x", table(when=when)))
        assert batch.read == len(batch.items) == 20
        first = batch.items[0]
        assert isinstance(first, Engagement)
        assert (first.actor, first.target, first.object) == ("n:a0", "n:20", "x")
        assert first.time == int(MOMENT.timestamp() * 1000)


async def test_a_row_is_named_by_what_it_says(tmp_path: Path) -> None:
    """A second replay repeats the ids, also of a file that is laid out in another way."""
    once, twice = write(tmp_path / "a", table()), write(tmp_path / "b", table(), row_group_size=3, compression="zstd")
    assert (await read(once)).items == (await read(twice)).items
    assert len({item.id for item in (await read(once)).items}) == 20


@pytest.mark.parametrize("line", [0, 3, 7, 19, 20])
async def test_a_replay_goes_on_at_any_row(tmp_path: Path, line: int) -> None:
    """Whole groups of rows are passed over unread."""
    path = write(tmp_path / "x", table(), row_group_size=6)
    batch = await read(path, line)
    rest = [] if batch is None else batch.items
    assert rest == (await read(path)).items[line:]


async def test_a_file_is_shifted_limited_and_cut(tmp_path: Path) -> None:
    """As any file."""
    path = write(tmp_path / "x", table())
    assert (await read(path, shift=True)).items[-1].time == NOW
    assert (await read(path, shift=True, limit=5)).items[-1].time == NOW
    assert (await read(path, until=1_767_225_605_000)).skipped == {"after_until": 15}


async def test_hostile_cells_are_skipped_and_counted(tmp_path: Path) -> None:
    """A megabyte of text, nothing, wrong types, impossible times: each row has one fate."""
    rows = table(6)
    rows["who"] = ["x" * 1_000_000, None, "", "ok", "ok", "ok"]
    rows["when"] = [rows["when"][0]] * 3 + [0, 4_102_444_800, rows["when"][0]]
    batch = await read(write(tmp_path / "x", rows))
    assert batch.skipped == {"malformed": 4, "implausible_time": 1}
    assert len(batch.items) == 1
    odd = await read(write(tmp_path / "y", table(2, who=[{"a": 1}, {"a": 2}], about=[[1], [2]])))
    assert odd.skipped == {"malformed": 2}


async def test_a_long_text_that_many_rows_repeat_is_in_memory_once(tmp_path: Path) -> None:
    """20 KB in 5,000 rows is a small file, and would be 100 MB."""
    count = 5_000
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["x" * 20_000]))
    path = tmp_path / "x"
    parquet.write_table(pa.table(table(count, about=repeated)), path, store_schema=False)
    assert path.stat().st_size < 400_000
    assert pa.string() == parquet.read_schema(path).field("about").type
    before = pa.default_memory_pool().max_memory()
    batch = await read(path)
    assert batch.skipped == {"malformed": count}
    assert pa.default_memory_pool().max_memory() - before < 40_000_000


@pytest.mark.parametrize("content", [b"", b"kind,actor\n", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    """With the file, and what was expected."""
    path = tmp_path / "it"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=r"it: expected a Parquet file; .*"):
        Replay(ReplayConfig(path, "parquet"))


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """What lies before the damage was read."""
    path = write(tmp_path / "it", table(30_000), compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[40_000:60_000] = b"\xff" * 20_000
    path.write_bytes(content)
    with pytest.raises(ContractError, match=r"it, after row \d+: the file is damaged"):
        await read(path)


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    """And those that are there."""
    path = write(tmp_path / "it", table())
    with pytest.raises(
        ContractError, match=r"it: expected columns kind, .*; no kind, actor, target, time among who, wh"
    ):
        Replay(ReplayConfig(path, "parquet"))


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do."""
    monkeypatch.setattr(module, "_LARGEST_GROUP", 100)
    path = write(tmp_path / "it", table())
    with pytest.raises(ContractError, match=r"row group 0: expected 0 MiB at most.*smaller row groups"):
        Replay(ReplayConfig(path, "parquet", columns=parse_columns(COLUMNS)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """As any file."""
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere: No such file"):
        Replay(ReplayConfig(tmp_path / "nowhere", "parquet"))

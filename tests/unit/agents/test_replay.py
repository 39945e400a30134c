"""A replay reads a file once, at its pace, from where it had come."""

import gzip
from pathlib import Path

import pytest

from agents.pace import Pace, parse_speed
from agents.protocol import Batch, Position
from agents.replay import Replay, ReplayConfig
from pipeline.errors import ConfigError, ContractError
from schemas import Engagement

ROWS = [f"{n} {n + 1} {1_341_100_000 + n // 3} RT\n" for n in range(1, 100)]
NOW = 1_800_000_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 99 shares."""
    path = tmp_path / "rows.txt"
    path.write_text("".join(ROWS))
    return path


async def read(replay: Replay, position: Position | None = None) -> Batch:
    """Return all that a replay yields, as one batch."""
    whole = Batch()
    async for batch in replay.batches(position):
        whole.add(batch)
    return whole


def times(batch: Batch) -> list[int]:
    """Return the times of the engagements."""
    return [item.time for item in batch.items if isinstance(item, Engagement)]


async def test_a_compressed_file_reads_like_the_plain_one(file: Path, tmp_path: Path) -> None:
    """Whether it is gzip is read from its bytes, not from its name."""
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert (await read(Replay(ReplayConfig(packed, "higgs")))).items == (
        await read(Replay(ReplayConfig(file, "higgs")))
    ).items


async def test_a_shifted_file_ends_now(file: Path) -> None:
    """The distances between the events stay."""
    plain = times(await read(Replay(ReplayConfig(file, "higgs"))))
    shifted = times(await read(Replay(ReplayConfig(file, "higgs", shift=True), clock=lambda: NOW)))
    assert shifted[-1] == NOW
    assert [time - NOW for time in shifted] == [time - plain[-1] for time in plain]


async def test_a_limit_ends_a_replay_early(file: Path) -> None:
    """With a shift, the last line that is read happens now."""
    batch = await read(Replay(ReplayConfig(file, "higgs", shift=True, limit=10), clock=lambda: NOW))
    assert batch.read == 10
    assert times(batch)[-1] == NOW


@pytest.mark.parametrize("speed", [None, 1_000_000.0])
async def test_a_replay_goes_on_where_it_had_come(file: Path, speed: float | None) -> None:
    """What was read before and what is read after make up the file, with the same times."""
    config = ReplayConfig(file, "higgs", speed=speed, shift=True)
    whole = await read(Replay(config, clock=lambda: NOW))
    assert whole.position is not None
    resumed = await read(Replay(config, clock=lambda: NOW + 60_000), {**whole.position, "line": 48})
    assert resumed.items == whole.items[48:]
    assert resumed.position == whole.position


async def test_a_changed_file_is_not_resumed(file: Path) -> None:
    """A line number means nothing in another file."""
    position = (await read(Replay(ReplayConfig(file, "higgs")))).position
    with file.open("a") as more:
        more.write("1 2 1341200000 RT\n")
    with pytest.raises(ConfigError, match="has changed"):
        await read(Replay(ReplayConfig(file, "higgs")), position)


def test_a_file_of_another_format_is_refused_at_once(file: Path) -> None:
    """The message names the file, the line and what was expected."""
    with pytest.raises(ContractError, match=r"rows.txt, line 1: expected a Jetstream frame.*found '1 2"):
        Replay(ReplayConfig(file, "jetstream"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00" * 1000])
def test_a_file_without_a_first_line_of_the_format_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty and binary files are of no format."""
    path = tmp_path / "odd"
    path.write_bytes(content)
    with pytest.raises(ContractError, match="line 1: expected four columns"):
        Replay(ReplayConfig(path, "higgs"))


async def test_a_wrong_line_far_into_a_data_set_is_named(file: Path) -> None:
    """Its number counts from 1."""
    lines = file.read_text().splitlines()
    lines[41] = "what is this"
    file.write_text("\n".join(lines))
    with pytest.raises(ContractError, match=r"rows.txt, line 42: expected four columns.*found 'what is this'"):
        await read(Replay(ReplayConfig(file, "higgs")))


async def test_a_truncated_archive_is_named(file: Path) -> None:
    """Its beginning is read; the damage is an error, not the end."""
    file.write_bytes(gzip.compress(("".join(ROWS) * 50).encode())[:-20])
    with pytest.raises(ContractError, match="damaged"):
        await read(Replay(ReplayConfig(file, "higgs")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which, and why."""
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere: No such file"):
        Replay(ReplayConfig(tmp_path / "nowhere", "higgs"))


async def test_a_paced_replay_yields_the_same_events_in_the_same_order(file: Path) -> None:
    """At 100 times the speed, 33 s of events take a third of a second."""
    plain = await read(Replay(ReplayConfig(file, "higgs")))
    paced = await read(Replay(ReplayConfig(file, "higgs", speed=100.0)))
    assert (paced.items, paced.read) == (plain.items, plain.read)


def test_an_event_is_due_when_as_much_time_has_passed_as_in_the_source() -> None:
    """The first is due at once, the next in the source's distance divided by the factor."""
    now = 50.0
    pace = Pace(10.0, monotonic=lambda: now)
    assert pace.delay(1_000_000) == 0
    assert pace.delay(1_020_000) == pytest.approx(2.0)
    now = 51.5
    assert pace.delay(1_020_000) == pytest.approx(0.5)
    assert pace.reached() == 1_015_000


@pytest.mark.parametrize(("text", "factor"), [("max", None), ("1x", 1.0), ("100x", 100.0), ("0.5x", 0.5)])
def test_a_speed_is_max_or_a_factor(text: str, factor: float | None) -> None:
    """The letter x belongs to the factor."""
    assert parse_speed(text) == factor


@pytest.mark.parametrize("text", ["", "fast", "10", "0x", "-1x", "1xx", "x"])
def test_another_speed_is_refused_with_what_may_be_given(text: str) -> None:
    """The message shows examples."""
    with pytest.raises(ConfigError, match="max, or a factor such as 1x or 100x"):
        parse_speed(text)


async def test_a_table_goes_on_where_it_had_come(tmp_path: Path) -> None:
    """Its columns stand in the first line, which is not read again."""
    path = tmp_path / "rows.csv"
    rows = [f"n:{n},like,n:t,{1_795_323_600 + n}" for n in range(20)]
    path.write_text("\n".join(["actor,kind,target,time", *rows]))
    config = ReplayConfig(path, "csv", shift=True)
    whole = await read(Replay(config, clock=lambda: NOW))
    assert whole.position is not None
    assert times(whole)[-1] == NOW
    resumed = await read(Replay(config, clock=lambda: NOW), {**whole.position, "line": 11})
    assert resumed.items == whole.items[10:]

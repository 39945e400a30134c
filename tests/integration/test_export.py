"""`clout export`: what Redis holds of everyone, each once, in a file that is whole."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from pyarrow import parquet
from redis.asyncio import Redis

from pipeline.errors import ConfigError, StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.connection import connect
from pipeline.lookup.export.kinds import EXPORTED
from pipeline.lookup.export.pages import everyone
from pipeline.lookup.export.run import export
from pipeline.lookup.history.series import Point, Series
from schemas import Advice, Fading, Moment, NetworkPoints, ScoreDocument
from schemas.details import Details, Discount, TopPost
from tests.integration.test_lookup_api import store
from tests.integration.test_lookup_commands import run
from tests.support.cluster import Cluster
from tests.unit.lookup.documents import details_bytes, score_bytes, score_document

pytestmark = pytest.mark.integration

USERS = 5_000


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty database."""
    client = connect(redis_url, 5)
    yield client
    await client.aclose()


async def fill(redis: Redis, count: int, version: int = 1, *, first: int = 0) -> None:
    """Write documents as the sink's script does, quicker."""
    users = [f"x:{number}" for number in range(first, first + count)]
    await redis.hset(keys.HEADS, mapping=dict.fromkeys(users, f"{version} 50"))  # type: ignore[misc]
    await redis.mset({keys.user(user): score_bytes(user, 50, version) for user in users})


async def test_everyone_is_in_the_file_once_while_scores_move(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """The table grows under the scan; who was there before is there, and nobody twice."""
    await fill(redis, USERS)
    met: list[str] = []
    async with everyone(redis_url, keys.user) as pages:
        assert await pages.total() == USERS
        async for page in pages:
            met += [user for user, _ in page]
            # Growing to twice the size makes Redis rehash in the middle of the scan.
            await fill(redis, 1_000, first=USERS + len(met))
    assert len(met) == len(set(met))
    assert {f"x:{number}" for number in range(USERS)} <= set(met)


async def test_who_is_forgotten_meanwhile_is_left_out(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Nothing is made up for them."""
    await fill(redis, 10)
    await redis.delete(keys.user("x:3"))
    path = tmp_path / "scores.ndjson"
    assert (await export(redis_url, "scores", path)).users == 9
    assert "x:3" not in {json.loads(line)["user"] for line in path.read_bytes().splitlines()}


async def test_lines_are_the_documents_byte_for_byte(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """As the API serves them."""
    await fill(redis, 10)
    path = tmp_path / "scores.ndjson"
    await export(redis_url, "scores", path)
    assert sorted(path.read_bytes().splitlines()) == sorted(score_bytes(f"x:{number}", 50, 1) for number in range(10))


async def test_scores_keep_their_shape_in_parquet(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Structs for structs, moments for times, and what is absent is null."""
    await fill(redis, 40_000)
    path = tmp_path / "scores.parquet"
    done = await export(redis_url, "scores", path)
    table = parquet.read_table(path)
    assert done.users == done.rows == table.num_rows == 40_000
    assert len(set(table["user"].to_pylist())) == 40_000
    (row,) = [row for row in table.slice(0, 40_000).to_pylist() if row["user"] == "x:7"]
    document = score_document("x:7", 50, 1)
    assert row["engagement"]["24h"] == {"likes": 3, "shares": 1, "comments": 1, "follows": 0}
    assert row["as_of"] == datetime.fromtimestamp(document.as_of / 1000, UTC)
    ((network, score),) = row["networks"]
    assert (network, score["score"], score["last"]) == ("x", 50.0, datetime.fromtimestamp(1_783_175_888.085, UTC))
    assert (row["person"], row["previous"], row["version"]) == (None, None, 1)


def test_no_field_of_the_documents_is_left_out() -> None:
    """A field that is added to the contract must be added to the columns."""
    assert EXPORTED["scores"].schema().names == list(ScoreDocument.__struct_fields__)
    assert EXPORTED["details"].schema().names == list(Details.__struct_fields__)
    moments = EXPORTED["details"].schema().field("moments").type.value_type
    names = {field.encode_name for field in msgspec.structs.fields(Moment)}
    assert {moments.field(number).name for number in range(moments.num_fields)} == names


async def test_details_keep_their_shape_in_parquet(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Lists of what stands behind a score."""
    await fill(redis, 1)
    details = msgspec.structs.replace(
        msgspec.json.decode(details_bytes("x:0", {"x:a": 3}, tags=["physics"]), type=Details),
        posts=[TopPost("x:post", 2)],
        networks=[NetworkPoints("x", 1.5)],
        strengths=["many engage"],
        advice=Advice("Post more.", 2.0),
        discounts=[Discount("one actor", 0.25)],
        fading=Fading(0.5, 2.5),
        moments=[Moment("x:post", 1, 2, 3, 4, 0.5)],
    )
    await redis.set(keys.details("x:0"), msgspec.json.encode(details))
    path = tmp_path / "details.parquet"
    await export(redis_url, "details", path)
    (row,) = parquet.read_table(path).to_pylist()
    for moment in ("time", "as_of"):
        row[moment] = int(row[moment].timestamp() * 1000)
    assert row == msgspec.to_builtins(details)


@pytest.mark.parametrize("suffix", ["ndjson", "parquet"])
async def test_a_history_is_a_row_for_each_point(redis: Redis, redis_url: str, tmp_path: Path, suffix: str) -> None:
    """The score that holds from a moment on."""
    await fill(redis, 3)
    points = [Point(1_783_175_000_000, 12.5), Point(1_783_175_900_000, 13.25)]
    for user in ("x:0", "x:2"):
        await redis.set(keys.history(user), Series(points, 1).encode())
    path = tmp_path / f"history.{suffix}"
    done = await export(redis_url, "history", path)
    assert (done.users, done.rows) == (2, 4)
    if suffix == "ndjson":
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    else:
        rows = parquet.read_table(path).to_pylist()
        for row in rows:
            row["time"] = int(row["time"].timestamp() * 1000)
    expected = [{"user": user, "time": at, "score": score} for user in ("x:0", "x:2") for at, score in points]
    assert sorted(rows, key=lambda row: (row["user"], row["time"])) == expected


async def test_an_export_that_fails_leaves_the_older_file(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """And nothing else beside it."""
    await fill(redis, 3)
    for suffix in ("ndjson", "parquet"):
        path = tmp_path / f"scores.{suffix}"
        path.write_bytes(b"older")
        await redis.set(keys.user("x:1"), b"[1, 2]")
        if suffix == "parquet":
            with pytest.raises(TypeError):
                await export(redis_url, "scores", path)
            assert path.read_bytes() == b"older"
        with pytest.raises(StoreUnavailableError, match="Redis does not answer"):
            await export("redis://127.0.0.1:1/0", "scores", path)
        assert path.read_bytes() == b"older"
    assert {each.name for each in tmp_path.iterdir()} == {"scores.ndjson", "scores.parquet"}


async def test_a_redis_that_is_being_filled_is_not_exported(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """Half of everyone would look like everyone."""
    await redis.hset(keys.SINK, keys.rebuilding_field(keys.LIVE_LANE), "1")  # type: ignore[misc]
    with pytest.raises(StoreUnavailableError, match="being filled again"):
        await export(redis_url, "scores", tmp_path / "scores.ndjson")


@pytest.mark.parametrize("name", ["scores", "scores.csv", "nowhere/scores.parquet"])
async def test_a_name_that_cannot_be_written_says_why(redis_url: str, tmp_path: Path, name: str) -> None:
    """The format is the ending of the name."""
    with pytest.raises(ConfigError, match=r"let its name end with .ndjson or .parquet|cannot write .*No such file"):
        await export(redis_url, "scores", tmp_path / name)


async def test_the_command_says_what_it_wrote(cluster: Cluster, redis_url: str, tmp_path: Path) -> None:
    """How many rows, of when, where to."""
    await asyncio.to_thread(store, redis_url, [score_bytes("x:a", 50.25), score_bytes("x:b", 60)])
    path = tmp_path / "scores.parquet"
    status, output = await asyncio.to_thread(run, cluster, "export", "scores", str(path))
    assert status == 0, output
    assert "2 rows of 2 users, as of 2026-07-04 14:38:08 UTC, written to" in output
    assert parquet.read_table(path)["score"].to_pylist() in ([50.25, 60.0], [60.0, 50.25])
    status, output = await asyncio.to_thread(run, cluster, "export", "scores", str(tmp_path / "scores.csv"))
    assert status == 1
    assert output.strip().endswith("let its name end with .ndjson or .parquet")

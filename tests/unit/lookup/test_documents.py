"""Documents kept in the process: never older than what was told, whatever overtakes what."""

import asyncio

import msgspec
import pytest

from pipeline.lookup.documents import Document, Documents
from pipeline.lookup.stream import Entry, reset
from tests.unit.lookup.documents import score_bytes

USER = "x:a"


class Redis:
    """One user's document, and reads that wait until they are let go."""

    def __init__(self) -> None:
        self.version = 1
        self.reads = 0
        self.free = asyncio.Event()
        self.free.set()

    async def read(self, user: str) -> bytes:
        """Return what is there when the read begins."""
        self.reads += 1
        content = score_bytes(user, version=self.version)
        await self.free.wait()
        return content


class Kept(Documents):
    """Documents of a Redis whose stream is followed."""

    def __init__(self, redis: Redis) -> None:
        self.follows = True
        super().__init__(redis.read, lambda: self.follows)

    def version(self) -> int | None:
        """Return the version that would be served from memory."""
        document = self.hot(USER)
        return None if document is None else document.version


def change(user: str = USER) -> Entry:
    """Return a change of a user."""
    return Entry("1-0", "change", b"{}", user, user)


async def test_a_document_is_read_once_until_it_changes() -> None:
    """Then the newer one is read and kept."""
    redis = Redis()
    kept = Kept(redis)
    assert await kept.get(USER) == await kept.get(USER) == Document(score_bytes(USER), 1)
    assert redis.reads == 1
    redis.version = 2
    kept.note(change("x:other"))
    assert kept.version() == 1
    kept.note(change())
    assert kept.version() is None
    document = await kept.get(USER)
    assert document is not None
    assert (document.version, kept.version()) == (2, 2)


async def test_a_read_that_a_change_overtook_is_not_kept() -> None:
    """It may have begun before the change and end behind it."""
    redis = Redis()
    kept = Kept(redis)
    redis.free.clear()
    first = asyncio.create_task(kept.get(USER))
    await asyncio.sleep(0)
    redis.version = 2
    kept.note(change())
    second = asyncio.create_task(kept.get(USER))
    await asyncio.sleep(0)
    redis.free.set()
    answers = [answer.version for answer in await asyncio.gather(first, second) if answer]
    assert answers == [1, 2]
    assert kept.version() == 2


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_of_two_reads_the_newer_one_is_kept(order: tuple[int, int]) -> None:
    """Whichever comes back last."""
    contents = {number: score_bytes(USER, version=number) for number in order}
    pending: asyncio.Queue[asyncio.Future[bytes]] = asyncio.Queue()

    async def read(_: str) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        pending.put_nowait(answer)
        return await answer

    kept = Documents(read, lambda: True)
    reads = [asyncio.create_task(kept.get(USER)) for _ in order]
    for number in order:
        (await pending.get()).set_result(contents[number])
    await asyncio.gather(*reads)
    assert kept.hot(USER) == Document(contents[2], 2)


async def test_what_others_were_shown_is_the_least_that_is_served() -> None:
    """A page of the leaderboard may be ahead of the stream."""
    kept = Kept(Redis())
    await kept.get(USER)
    kept.saw(USER, score_bytes(USER, version=3))
    kept.saw(USER, score_bytes(USER, version=2))
    kept.saw("x:other", score_bytes("x:other"))
    assert kept.version() == 3
    assert kept.hot("x:other") is None


async def test_nothing_is_served_from_memory_while_the_stream_is_not_followed() -> None:
    """And after a reset nothing is left of before."""
    redis = Redis()
    kept = Kept(redis)
    await kept.get(USER)
    kept.follows = False
    assert kept.version() is None
    await kept.get(USER)
    assert redis.reads == 2
    kept.follows = True
    assert kept.version() == 1
    kept.note(reset("2-0", "trimmed"))
    assert kept.version() is None


async def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents kept longest make room."""
    monkeypatch.setattr("pipeline.lookup.documents._KEPT", 10)
    kept = Kept(Redis())
    for number in range(25):
        await kept.get(f"x:{number}")
    assert [number for number in range(25) if kept.hot(f"x:{number}")] == list(range(15, 25))


async def test_a_read_that_fails_leaves_nothing_behind() -> None:
    """The next one may succeed."""

    async def fail(_: str) -> bytes:
        raise msgspec.DecodeError("away")

    kept = Documents(fail, lambda: True)
    with pytest.raises(msgspec.DecodeError):
        await kept.get(USER)
    assert kept._reads == {}

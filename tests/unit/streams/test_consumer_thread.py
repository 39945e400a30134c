"""The consumer's thread: what belongs to its loop is touched by nobody else."""

import asyncio
import threading
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import GroupAuthorizationFailedError

from pipeline.errors import ChangelogWriteError
from pipeline.streams import transport
from pipeline.streams.transport import BatchConsumer, BatchConsumerThread


class Thread(BatchConsumerThread):
    """Without a consumer of aiokafka's; notes in which thread it hears of a crash."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.released = threading.Event()
        app = SimpleNamespace(conf=_Settings())
        consumer = SimpleNamespace(
            transport=SimpleNamespace(app=app),
            app=app,
            crash=self._consumer_crashes,
            RebalanceListener=lambda _: None,
            flow_active=False,
            failed=lambda _: None,  # there is nothing to fetch from
        )
        super().__init__(cast("Any", consumer))

    async def _consumer_crashes(self, exc: BaseException) -> None:
        await asyncio.sleep(0)  # a turn of the worker's loop: whoever takes it back has the time to
        self.heard.append((repr(exc), threading.current_thread().name))

    async def on_start(self) -> None:
        """Connect to nothing."""

    def note(self) -> None:
        """Note that somebody waited for a crash, and where."""
        self.heard.append(("crashed", threading.current_thread().name))

    async def wait_for_a_crash(self) -> None:
        """Wait as mode's services do."""
        await self._crashed.wait()
        self.note()
        self.released.set()


class _Settings:
    """Whatever Faust asks for is not used."""

    def __getattr__(self, name: str) -> None:
        return None


async def test_a_rebalance_while_the_worker_stops_leaves_the_client_to_its_thread() -> None:
    """Faust would close its connections in the worker's thread, and the thread's own stop would do nothing then."""
    thread = Thread()
    thread._consumer = client = cast("Any", SimpleNamespace(_closed=False, _client=None, _coordinator=None))
    BatchConsumer.close(cast("Any", SimpleNamespace(_thread=thread)))
    assert client._closed is False
    thread.thread_loop.close()


@pytest.mark.timeout(60)
async def test_a_crash_elsewhere_is_heard_in_the_threads_own_loop() -> None:
    """The future that waits for it is its loop's; setting it from another thread would not even wake it."""
    thread = Thread()
    await thread.start()
    runner = cast("Any", thread._thread)
    asyncio.run_coroutine_threadsafe(thread.wait_for_a_crash(), thread.thread_loop)
    thread._crash(RuntimeError("elsewhere"))
    assert await asyncio.to_thread(thread.released.wait, 30)
    assert thread.heard == [("crashed", runner.name)]
    await asyncio.to_thread(runner.join)


@pytest.mark.timeout(60)
async def test_a_crash_of_the_thread_is_told_in_the_workers_loop() -> None:
    """The worker's services belong to that."""
    thread = Thread()
    await thread.start()
    failure = RuntimeError("here")
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(thread.crash(failure), thread.thread_loop))
    assert thread.heard == [(repr(failure), threading.current_thread().name)]
    await thread.stop()


@pytest.mark.timeout(60)
async def test_a_busy_loop_hears_of_the_crash_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread goes on after a while, and takes nothing back."""
    monkeypatch.setattr(transport, "POLL_S", 0.0)
    thread = Thread()
    await thread.start()
    failure = RuntimeError("here")
    # This loop does nothing else until the thread has given up waiting for it.
    asyncio.run_coroutine_threadsafe(thread.crash(failure), thread.thread_loop).result(30)
    assert thread.heard == []
    await thread.stop()
    assert thread.heard == [(repr(failure), threading.current_thread().name)]


async def test_nobody_asks_a_thread_that_has_stopped() -> None:
    """Its queue would take the question, and never answer."""
    consumer = SimpleNamespace(
        _thread=SimpleNamespace(should_stop=True), assignment=lambda: {"a"}, _is_changelog_tp=lambda _: False
    )
    stand_in = cast("Any", consumer)
    assert await BatchConsumer.is_member(stand_in) is None
    assert await BatchConsumer.commit_positions(stand_in, cast("Any", {"a": 1})) is False
    await BatchConsumer.perform_seek(stand_in)


class Revoked(BatchConsumer):
    """Without a client; notes what it does when its partitions are taken, in order."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.done: list[str] = []
        self.failure = failure
        self.app = SimpleNamespace(rounds=SimpleNamespace(pause=partial(self.done.append, "paused")))
        self._commit_fut: asyncio.Future[None] | None = None

    def stop_flow(self) -> None:
        """Note it."""
        self.done.append("flow stopped")

    async def commit(self, *_: Any, **__: Any) -> bool:
        """Run a round, or fail."""
        assert self._commit_fut is None, "it would wait for that one, and run none"
        self.done.append("committed")
        if self.failure is not None:
            raise self.failure
        return True

    async def crash(self, exc: BaseException) -> None:
        """Note it."""
        self.done.append(f"crashed: {exc}")


async def test_after_the_last_round_before_a_group_forms_there_is_none_until_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And that one begins when the one under way has ended."""
    consumer = Revoked()

    async def ours(self: Any, revoked: set[Any]) -> None:
        consumer.done.append("let go")

    monkeypatch.setattr(transport.driver.Consumer, "on_partitions_revoked", ours)
    consumer._commit_fut = asyncio.get_running_loop().create_future()
    revoking = asyncio.create_task(consumer.on_partitions_revoked(set()))
    await asyncio.sleep(0)
    assert consumer.done == ["flow stopped"]
    consumer._commit_fut = None
    await revoking
    assert consumer.done == ["flow stopped", "committed", "paused", "let go"]


async def test_a_last_round_that_fails_ends_the_worker() -> None:
    """Nobody else hears of it, and no later round would write anything."""
    consumer = Revoked(ChangelogWriteError("the broker did not acknowledge"))
    with pytest.raises(ChangelogWriteError):
        await consumer.on_partitions_revoked(set())
    assert consumer.done == ["flow stopped", "committed", "crashed: the broker did not acknowledge"]


@pytest.mark.timeout(60)
async def test_a_worker_that_its_group_refuses_ends() -> None:
    """While the group forms nobody fetches, and aiokafka would keep it to itself for ever."""

    def check_errors() -> None:
        raise GroupAuthorizationFailedError("clout.worker")

    thread = Thread()
    coordinator = SimpleNamespace(check_errors=check_errors)
    thread._consumer = cast("Any", SimpleNamespace(_coordinator=coordinator, _fetcher=None))
    await thread.start()
    while not thread.heard:
        await asyncio.sleep(0)
    assert "CLOUT_GROUP_INSTANCE_ID" in thread.heard[0][0]
    assert "GroupAuthorizationFailedError" in thread.heard[0][0]
    thread._consumer = None
    await thread.stop()

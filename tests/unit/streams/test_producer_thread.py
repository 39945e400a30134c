"""A thread with a producer: what is written with it, what fails, and what is left when it stops."""

import asyncio
import threading
from typing import Any

import pytest

from pipeline.streams.producer_thread import ProducerThread


class Producer:
    """Stands in for aiokafka's: notes in which threads it was used."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.threads: list[str] = []

    async def start(self) -> None:
        """Connect, or fail."""
        self.threads.append(threading.current_thread().name)
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Disconnect."""
        self.threads.append(threading.current_thread().name)


def thread_of(producer: Producer) -> ProducerThread:
    """Return the thread of a producer."""
    made: Any = lambda: producer  # noqa: E731
    return ProducerThread(made)


async def test_what_is_written_runs_in_the_thread() -> None:
    """From the producer's start to its end."""
    producer = Producer()
    thread = thread_of(producer)
    assert not thread.is_running
    await thread.start()
    assert thread.is_running

    async def work(given: Any) -> tuple[bool, str]:
        await asyncio.sleep(0)
        return given is producer, threading.current_thread().name

    assert await thread.write(work) == (True, "producer")
    await thread.stop()
    assert not thread.is_running
    assert producer.threads == ["producer", "producer"]
    await thread.stop()


async def test_what_fails_fails_where_it_is_waited_for() -> None:
    """A write that raises, and a broker that is away."""
    thread = thread_of(Producer())
    await thread.start()

    async def work(_: Any) -> None:
        raise ValueError("not acknowledged")

    with pytest.raises(ValueError, match="not acknowledged"):
        await thread.write(work)
    assert thread.is_running
    await thread.stop()
    away = thread_of(Producer(ConnectionError("no broker")))
    with pytest.raises(ConnectionError, match="no broker"):
        await away.start()
    assert not away.is_running
    await away.stop()


async def test_nobody_waits_for_ever_for_what_the_stop_cut_off() -> None:
    """A write that has not ended when the thread stops is cancelled."""
    thread = thread_of(Producer())
    await thread.start()

    async def work(_: Any) -> None:
        await asyncio.Event().wait()

    unfinished = thread.write(work)
    await thread.stop()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await unfinished


async def test_a_start_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    """The worker is stopped while it starts: the thread must not fail over that."""
    begun, may_go_on = threading.Event(), threading.Event()

    class Slow(Producer):
        async def start(self) -> None:
            begun.set()
            await asyncio.to_thread(may_go_on.wait)

    thread = thread_of(Slow())
    start = asyncio.create_task(thread.start())
    assert await asyncio.to_thread(begun.wait, 30)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    may_go_on.set()
    loop, _ = await asyncio.to_thread(thread._started.result, 30)
    loop.call_soon_threadsafe(thread._stopping.set)
    await asyncio.to_thread(thread._thread.join, 30)
    assert not thread._thread.is_alive()

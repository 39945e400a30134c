"""
A producer in a thread of its own.

aiokafka's needs several turns of its event loop to send a request and to hear the answer, and the worker's loop plans a
partition for 30 ms at a time. There, each request took as long, and the first partition's rows were acknowledged
when the last partition had been planned.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, TypeVar

import uvloop
from aiokafka import AIOKafkaProducer

_T = TypeVar("_T")

STOP_S: Final = 5.0
"""How long stopping waits for the thread, which dies with the process in any case."""


class ProducerThread:
    """
    Runs a producer, and whatever is written with it.

    Args:
        new: Makes the producer; called in the thread.
    """

    def __init__(self, new: Callable[[], AIOKafkaProducer]) -> None:
        self._new = new
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, AIOKafkaProducer]] = Future()
        self._stopping = asyncio.Event()
        self._is_running = False

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        # Whoever stops waiting for the start must not take back what is set below.
        if not self._started.set_running_or_notify_cancel():
            return
        producer = self._new()
        try:
            await producer.start()
        except BaseException as exc:  # noqa: BLE001 - who starts the thread raises it
            await producer.stop()
            self._started.set_exception(exc)
            return
        self._started.set_result((asyncio.get_running_loop(), producer))
        await self._stopping.wait()
        # What is written goes out; what would only be written then is cancelled with the loop, and fails its round.
        await producer.stop()

    async def start(self) -> None:
        """
        Start the thread and connect.

        Raises:
            KafkaError: No broker answers.
        """
        self._thread.start()
        await asyncio.wrap_future(self._started)
        self._is_running = True

    async def stop(self) -> None:
        """Send what is under way, disconnect and end the thread."""
        if not self._is_running:
            return
        self._is_running = False
        loop, _ = self._started.result()
        loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join, STOP_S)

    @property
    def is_running(self) -> bool:
        """Whether something can be written."""
        return self._is_running

    def write(self, work: Callable[[AIOKafkaProducer], Awaitable[_T]]) -> "asyncio.Future[_T]":
        """Begin to write, in the thread; the caller may wait for it, or cancel it."""
        loop, producer = self._started.result()
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(work(producer)), loop))


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work

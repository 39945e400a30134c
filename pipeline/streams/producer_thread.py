"""
A producer in a thread of its own.

aiokafka's needs several turns of its event loop to send a request and to hear the answer, and the worker's loop plans a
partition for 30 ms at a time. There, each request took as long, and the first partition's rows were acknowledged
when the last partition had been planned.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop
from aiokafka import AIOKafkaProducer

_T = TypeVar("_T")


class ProducerThread:
    """
    Runs a producer, and whatever is written with it.

    Args:
        new: Makes the producer; called in the thread.
    """

    def __init__(self, new: Callable[[], AIOKafkaProducer]) -> None:
        self._new = new
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="producer", daemon=True)
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """
        Start the thread and connect.

        Raises:
            KafkaError: No broker answers.
        """
        self._thread.start()
        await self._call(self._start())

    async def _start(self) -> None:
        producer = self._new()
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        """Send what is still under way, disconnect and end the thread."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._call(producer.stop())
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    @property
    def is_running(self) -> bool:
        """Whether something can be written."""
        return self._producer is not None

    def write(self, work: Callable[[AIOKafkaProducer], Awaitable[_T]]) -> "asyncio.Future[_T]":
        """Begin to write, in the thread; the caller may wait for it, or cancel it."""
        assert self._producer is not None
        return self._call(work(self._producer))

    def _call(self, work: Awaitable[_T]) -> "asyncio.Future[_T]":
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(work), self._loop))


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work

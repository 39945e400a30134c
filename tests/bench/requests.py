"""
Load by HTTP: some connections, each of which asks again as soon as it has its answer.

Run as `python -m tests.bench.requests HOST PORT CONNECTIONS SECONDS`, with the requests on standard input (one JSON
list of texts). It asks them over and over for so many seconds, or each once for 0 seconds, and prints the answers
counted by status and the quantiles of their time in ms, as JSON.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import cast

import uvloop

WARM_UP_S = 0.5
_HEAD_END = b"\r\n\r\n"


class Client(asyncio.Protocol):
    """One connection that is always waiting for one answer."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[str], times: list[float]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._times = times
        self._held = b""
        self.stopped = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count an answer that is complete, and ask again."""
        self._held = held = self._held + data if self._held else data
        end = held.find(_HEAD_END)
        if end < 0:
            return
        head = held[:end].lower()
        place = head.find(b"content-length: ")
        length = int(head[place + 16 :].partition(b"\r\n")[0]) if place >= 0 else 0
        if len(held) < end + 4 + length:
            return
        self._held = b""
        self._times.append(time.perf_counter() - self._asked)
        self._statuses[head[9:12].decode()] += 1
        if self.stopped.is_set():
            self._transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.stopped.set()
            self._transport.close()
            return
        self._asked = time.perf_counter()
        self._transport.write(request)


async def load(host: str, port: int, connections: int, seconds: float, requests: list[bytes]) -> dict[str, object]:
    """Ask for some time and return what came back."""
    statuses: Counter[str] = Counter()
    times: list[float] = []
    random.shuffle(requests)
    shared = itertools.cycle(requests) if seconds else iter(requests)
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(shared, statuses, times), host, port))[1]
        for _ in range(connections)
    ]
    if seconds:
        await asyncio.sleep(WARM_UP_S)
        statuses.clear()
        times.clear()
        began = time.perf_counter()
        await asyncio.sleep(seconds)
    else:
        await asyncio.gather(*(client.stopped.wait() for client in clients))
    took = time.perf_counter() - began
    answered, counted = sorted(times), dict(statuses)
    for client in clients:
        client.stopped.set()
    return {
        "answers": len(answered),
        "per_s": len(answered) / took,
        "p50_ms": answered[len(answered) // 2] * 1000,
        "p99_ms": answered[len(answered) * 99 // 100] * 1000,
        "statuses": counted,
    }


def main() -> None:
    """Ask, and print."""
    host, port, connections, seconds = sys.argv[1:]
    requests = [text.encode() for text in json.load(sys.stdin)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(load(host, int(port), int(connections), float(seconds), requests))))


if __name__ == "__main__":
    main()

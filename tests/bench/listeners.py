"""
Many subscribers of changes in one process, each of which notes how old a change is when it arrives.

Run as `python -m tests.bench.listeners PORT COUNT PATH`. It prints `ready` when all are subscribed; at the end of its
standard input it prints how many changes came and their ages, as JSON.
"""

import asyncio
import json
import sys
import time

import numpy as np
import uvloop

_TIME = b'"time":'


class Listener(asyncio.Protocol):
    """One subscription."""

    def __init__(self, request: bytes, ages: list[float]) -> None:
        self._request = request
        self._ages = ages
        self._rest = b""
        self.subscribed = asyncio.Event()
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Subscribe."""
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Note each change; the first event says that the subscription holds."""
        now = time.time() * 1000
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for event in whole:
            if event.startswith(b": alive") or b"\n: alive" in event:
                self.subscribed.set()
            place = event.find(_TIME)
            if place >= 0:
                self._ages.append(now - int(event[place + 7 : place + 20]))
                self.received += 1


async def listen(port: int, count: int, path: str) -> None:
    """Subscribe, say so, and report when told to."""
    ages: list[float] = []
    loop = asyncio.get_running_loop()
    listeners = []
    for number in range(count):
        wanted = path.replace("NUMBER", str(number))
        request = f"GET {wanted} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        _, listener = await loop.create_connection(lambda request=request: Listener(request, ages), "127.0.0.1", port)
        listeners.append(listener)
    for listener in listeners:
        await asyncio.wait_for(listener.subscribed.wait(), 30)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    columns = np.array(ages or [0.0])
    print(
        json.dumps(
            {
                "changes": len(ages),
                "fewest": min(listener.received for listener in listeners),
                "p50_ms": float(np.quantile(columns, 0.5)),
                "p99_ms": float(np.quantile(columns, 0.99)),
                "max_ms": float(columns.max()),
            }
        )
    )


def main() -> None:
    """Run until the input ends."""
    port, count, path = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(listen(int(port), int(count), path))


if __name__ == "__main__":
    main()

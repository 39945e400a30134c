"""
A Jetstream server in a process of its own that says so many frames a second: `python -m .. PORT RATE SECONDS STALL`.

It begins with the first listener, stalls once for STALL seconds in the middle, and keeps what it said: `cursor` works.
The last line of its output is the number of different engagements.
"""

import asyncio
import json
import sys
import time
from bisect import bisect_left
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support.peers.bluesky import Happenings


async def main(port: int, rate: int, seconds: int, stall_s: float) -> None:
    """Serve until ended."""
    times: list[int] = []
    frames: list[str] = []
    begun, stalled = asyncio.Event(), asyncio.Event()

    def process(connection: ServerConnection, request: Request) -> Response | None:
        there = urlsplit(request.path).path == "/subscribe"
        return None if there else connection.respond(HTTPStatus.NOT_FOUND, "no such method\n")

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        at = bisect_left(times, int(query["cursor"][0])) if "cursor" in query else len(times)
        begun.set()
        try:
            while True:
                await asyncio.sleep(0.01)
                while at < len(frames) and not stalled.is_set():
                    await connection.send(frames[at])
                    at += 1
        except ConnectionClosed:
            pass

    async def happen() -> None:
        await begun.wait()
        start = time.time()
        told = Happenings(7, int(start * 1e6), step_us=1_000_000 // rate, people=20_000)
        while len(frames) < rate * seconds:
            due = min(rate * seconds, int((time.time() - start) * rate)) - len(frames)
            for frame in told.frames(due):
                times.append(frame["time_us"])
                frames.append(json.dumps(frame))
            stalled.clear()
            if stall_s and seconds / 3 < time.time() - start < seconds / 3 + stall_s:
                stalled.set()
            await asyncio.sleep(0.01)
        stalled.clear()
        sys.stdout.write(f"{len(told.expected)}\n")
        sys.stdout.flush()

    async with serve(talk, "127.0.0.1", port, process_request=process, compression=None, ping_interval=None):
        await asyncio.create_task(happen())
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))

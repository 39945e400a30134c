"""The example of agents/README.md is an agent."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx

from agents.protocol import Batch, Position
from agents.reading import read
from pipeline.errors import SourceUnavailableError
from schemas import Engagement

README = Path(__file__).parents[3] / "agents" / "README.md"
SIGNATURES = [{"n": n, "by": "me" if n == 3 else "you", "of": "me", "at": 1_700_000_000_000 + n} for n in range(1, 8)]


async def test_the_example_reads_a_site_that_fails_now_and_then() -> None:
    """Every signature is yielded once, in order, from where it had come."""
    match = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert match is not None
    names: dict[str, Any] = {
        "AsyncGenerator": AsyncGenerator,
        "Batch": Batch,
        "Engagement": Engagement,
        "Position": Position,
        "SourceUnavailableError": SourceUnavailableError,
        "asyncio": asyncio,
        "httpx": httpx,
    }
    exec(compile(match[1], str(README), "exec"), names)
    asked: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        after = int(re.findall(rb"after=(\d+)", request)[0])
        asked.append(after)
        away = len(asked) == 3
        body = (
            b"" if away else json.dumps([signature for signature in SIGNATURES if signature["n"] > after][:2]).encode()
        )
        status = b"503 Away" if away else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    agent = names["Guestbook"](f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    whole = Batch()
    async for batch in read(agent, {"n": 1}):
        whole.add(batch)
        if whole.position == {"n": 7}:
            break
    server.close()
    assert asked == [1, 3, 5, 5]
    assert [item.id for item in whole.items if isinstance(item, Engagement)] == [
        f"guestbook:{n}" for n in (2, 4, 5, 6, 7)
    ]
    assert whole.skipped == {"self": 1}

"""A receiver of webhooks on this machine, which answers as a test wants it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Received:
    """One request."""

    at: float
    """Unix s."""
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body."""
        return json.loads(self.body)


@dataclass(slots=True)
class Receiver:
    """What came, in its order; `answer` says status and headers for a path."""

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[str], tuple[int, dict[str, str]]] = lambda _: (204, {})
    hanging: threading.Event = field(default_factory=threading.Event)
    """Set at the end: paths that begin with /hang wait for it."""

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}"

    def of(self, path: str) -> list[Received]:
        """Return what came for a path."""
        return [each for each in self.requests if each.path == path]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver within the context."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # Whoever sent it was killed amid it.
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append(Received(time.time(), self.path, headers, body))
            if self.path.startswith("/hang"):
                state.hanging.wait(60)
            status, answered = state.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **answered}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # With the usual 5 a handful of connections at once wait a second for the next try.
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.hanging.set()
            server.shutdown()
            thread.join()

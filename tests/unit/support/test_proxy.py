"""The proxy does what its faults say: else tests that use it prove nothing."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.eventually import eventually
from tests.support.proxy import ANSWERS, REQUESTS, Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[connection], daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(1 << 16):
                        connection.sendall(data)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    """A proxy before it."""
    with Proxy(echo) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    """Open a connection through the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=60)


def asked(connection: socket.socket, question: bytes = b"hello") -> bytes:
    """Send something and return what comes back."""
    connection.sendall(question)
    answer = b""
    while len(answer) < len(question):
        answer += connection.recv(1 << 16)
    return answer


def test_bytes_pass_in_both_directions(proxy: Proxy) -> None:
    """As they are, and counted."""
    with connect(proxy) as connection:
        assert asked(connection, b"x" * 300_000) == b"x" * 300_000
    eventually(lambda: proxy.passed == {REQUESTS: 300_000, ANSWERS: 300_000}, 60, "all is counted")


def test_a_delay_holds_back(proxy: Proxy) -> None:
    """Once in each direction."""
    proxy.delay(0.1)
    with connect(proxy) as connection:
        began = time.monotonic()
        assert asked(connection) == b"hello"
        assert time.monotonic() - began >= 0.2


def test_a_slice_is_small(proxy: Proxy) -> None:
    """What is sent at once does not arrive at once."""
    proxy.slice(1)
    with connect(proxy) as connection:
        assert asked(connection, b"abcdef" * 50) == b"abcdef" * 50


@pytest.mark.parametrize("direction", [REQUESTS, ANSWERS])
def test_a_stall_keeps_the_connection_and_says_nothing(proxy: Proxy, direction: str) -> None:
    """Until it heals; then nothing is missing."""
    with connect(proxy) as connection:
        assert asked(connection) == b"hello"
        proxy.stall(direction)
        connection.sendall(b"later")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.heal()
        connection.settimeout(60)
        assert connection.recv(5) == b"later"


def test_a_reset_breaks_what_is_open_and_nothing_else(proxy: Proxy) -> None:
    """The other side is told by a reset, not by an end."""
    with connect(proxy) as connection:
        assert asked(connection) == b"hello"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with connect(proxy) as connection:
        assert asked(connection) == b"hello"
    assert (proxy.connections, proxy.broken) == (2, 1)


def test_a_cut_refuses_until_it_heals(proxy: Proxy) -> None:
    """Old connections and new ones."""
    with connect(proxy) as connection:
        assert asked(connection) == b"hello"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    # Refused at once, or as soon as something is said.
    with pytest.raises(OSError, match=r"reset|pipe"), connect(proxy) as connection:
        asked(connection)
    proxy.heal()
    with connect(proxy) as connection:
        assert asked(connection) == b"hello"

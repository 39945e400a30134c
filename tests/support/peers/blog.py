"""Sites of other people: pages that link to one another, and may be edited, moved, or gone."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

ENTRY: Final = """<!doctype html><html><body><article class="h-entry">
<div class="p-author h-card"><a class="u-url p-name" href="/">Ada</a><img class="u-photo" src="/ada.png"></div>
{inner}
</article></body></html>"""


class BlogPeer:
    """Serves pages on a port of its own, in a thread; a port is a site of its own."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str]] = {}
        """Status and page by path; of a redirect where it leads; a status of 0 cuts the connection."""
        self.asked: list[str] = []
        self.content_type = "text/html; charset=utf-8"
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer.asked.append(self.path)
                status, page = peer.pages.get(self.path, (404, "no such page"))
                if not status:
                    self.close_connection = True
                    return
                body = page.encode()
                self.send_response(status)
                if status in {301, 302, 307}:
                    self.send_header("Location", page)
                    body = b""
                self.send_header("Content-Type", peer.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://{self.host}{path}"

    def write(self, path: str, inner: str) -> str:
        """Publish or edit an entry; returns its address."""
        self.pages[path] = 200, ENTRY.format(inner=inner)
        return self.url(path)

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

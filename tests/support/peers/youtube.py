"""YouTube's Data API, for one channel."""

import json
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "k3y"
CHANNEL = "UC_x5XG1OV2P6uZZ5FSM9Ttw"


class YouTubePeer:
    """Serves on a port of its own, in a thread; pages of comments have five."""

    def __init__(self) -> None:
        self.key = KEY
        self.likes: dict[str, int] = {}
        """By video."""
        self.published: dict[str, datetime] = {}
        self.comments: list[tuple[str, str, datetime]] = []
        """Id, author and time, the newest first."""
        self.subscribers = 1_000
        self.comments_disabled = False
        self.asked: list[str] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                peer.asked.append(address.path.rpartition("/")[2])
                known = self.headers.get("X-Goog-Api-Key") == peer.key
                status, said = (
                    peer.answer(peer.asked[-1], query) if known else _error(400, "API key expired.", "badRequest")
                )
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v3"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, what: str, query: dict[str, str]) -> tuple[int, Any]:
        """Return status and answer."""
        if what == "channels":
            uploads = {"relatedPlaylists": {"uploads": "UU1"}}
            count = {"subscriberCount": str(self.subscribers)}
            return 200, {
                "items": [_item("channel", CHANNEL, {"title": "Channel"}, contentDetails=uploads, statistics=count)]
            }
        if what == "playlistItems":
            return 200, {"items": [self._upload(name) for name in self.likes]}
        if what == "videos":
            return 200, {"items": [self._video(name) for name in query["id"].split(",")]}
        if self.comments_disabled:
            return _error(403, "The channel has disabled comments.", "commentsDisabled")
        at = int(query.get("pageToken", "0"))
        following = {"nextPageToken": str(at + 5)} if at + 5 < len(self.comments) else {}
        return 200, {"items": [_thread(*one) for one in self.comments[at : at + 5]], **following}

    def _upload(self, name: str) -> dict[str, Any]:
        details = {"videoId": name, "videoPublishedAt": self.published[name].isoformat()}
        return _item("playlistItem", f"item-{name}", {"channelId": CHANNEL}, contentDetails=details)

    def _video(self, name: str) -> dict[str, Any]:
        snippet = {"channelId": CHANNEL, "publishedAt": self.published[name].isoformat()}
        return _item("video", name, snippet, statistics={"likeCount": str(self.likes[name])})


def _item(kind: str, name: str, snippet: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"kind": f"youtube#{kind}", "id": name, "snippet": snippet, **parts}


def _thread(name: str, author: str, time: datetime) -> dict[str, Any]:
    said = {
        "authorChannelId": {"value": author},
        "authorDisplayName": f"@{author}",
        "publishedAt": time.isoformat(),
        "textDisplay": "so",
    }
    return _item("commentThread", name, {"channelId": CHANNEL, "videoId": "a", "topLevelComment": {"snippet": said}})


def _error(code: int, message: str, reason: str) -> tuple[int, Any]:
    return code, {"error": {"code": code, "message": message, "errors": [{"message": message, "reason": reason}]}}

"""A server of the fediverse: it has people with keys, serves their documents, and delivers what they do, signed."""

import base64
import hashlib
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_KEY = generate_private_key(65537, 2048)
_PEM = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class FediversePeer:
    """Serves on a port of its own, in a thread."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """The paths that were fetched."""
        self.documents: dict[str, Any] = {}
        """What is served beside people, by path; a text is where a redirect leads."""
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer.asked.append(self.path)
                found = peer.documents.get(self.path, peer.person(self.path.removeprefix("/users/")))
                self.send_response(302 if isinstance(found, str) else 200)
                body = b"" if isinstance(found, str) else json.dumps(found).encode()
                if isinstance(found, str):
                    self.send_header("Location", found)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.name = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def person(self, name: str) -> dict[str, Any]:
        """Return the document of a person."""
        url = f"{self.url}/users/{name}"
        key = {"id": f"{url}#main-key", "owner": url, "publicKeyPem": _PEM}
        return {"id": url, "type": "Person", "preferredUsername": name, "publicKey": key}

    def deliver_newer(
        self,
        inbox: str,
        actor: str,
        body: bytes,
        *,
        names: str = '"@method" "@target-uri" "content-digest"',
        created: int | None = None,
        extra: str = "",
        **changes: str,
    ) -> httpx.Response:
        """POST a body with the signature of RFC 9421; `changes` are headers that are changed after signing."""
        address = httpx.URL(inbox)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {"host": f"{address.host}:{address.port}", "content-digest": f"sha-256=:{digest}:"}
        values = {
            **headers,
            "@method": "POST",
            "@target-uri": inbox,
            "@authority": headers["host"],
            "@path": address.path,
            "@query": "?",
        }
        made = int(time.time()) if created is None else created
        described = f'({names});created={made};keyid="{self.url}/users/{actor}#main-key"{extra}'
        lines = [f"{name}: {values[name.strip(chr(34))]}" for name in names.split()]
        base = "\n".join([*lines, f'"@signature-params": {described}'])
        signature = base64.b64encode(_KEY.sign(base.encode(), PKCS1v15(), SHA256())).decode()
        headers |= {"signature-input": f"sig1={described}", "signature": f"sig1=:{signature}:"}
        return httpx.post(inbox, content=body, headers={**headers, **changes}, timeout=60)

    def deliver(self, inbox: str, actor: str, body: bytes, *, key_id: str = "", **changes: str) -> httpx.Response:
        """POST a body, signed by `actor` as in the older draft; `changes` are headers changed after signing."""
        address = httpx.URL(inbox)
        headers = {
            "host": f"{address.host}:{address.port}",
            "date": formatdate(usegmt=True),
            "digest": "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode(),
        }
        lines = [f"(request-target): post {address.path}", *(f"{name}: {value}" for name, value in headers.items())]
        signature = base64.b64encode(_KEY.sign("\n".join(lines).encode(), PKCS1v15(), SHA256())).decode()
        key = key_id or f"{self.url}/users/{actor}#main-key"
        names = "(request-target) host date digest"
        headers["signature"] = f'keyId="{key}",algorithm="rsa-sha256",headers="{names}",signature="{signature}"'
        return httpx.post(inbox, content=body, headers={**headers, **changes}, timeout=60)

"""Who sent a body: signatures and handshakes, as the networks have them."""

import base64
import hashlib
import hmac
import json
from typing import Final

from agents.receiver import Answer, Request
from agents.webhooks.mapping import Handshake, Signature

_FRESH_S: Final = 300
"""A timed signature is accepted for so long: a recorded request cannot be sent again later."""


def is_signed(signature: Signature, secret: str, request: Request, now: int) -> bool:
    """Tell whether the network, and nobody else, sent a request; `now` is Unix ms."""
    given = request.headers.get(signature.header.lower(), "")
    signed = signature.salt.encode() + request.body
    if signature.timed:
        parts = dict(part.partition("=")[::2] for part in given.split(","))
        time, given = parts.get("t", ""), parts.get("s", "")
        if not time.isdigit() or abs(now // 1_000 - int(time[:15])) > _FRESH_S:
            return False
        signed = f"{time}.".encode() + request.body
    elif not given.startswith(signature.prefix):
        return False
    digest = hmac.new(secret.encode(), signed, getattr(hashlib, signature.hash)).digest()
    expected = digest.hex() if signature.encoding == "hex" else base64.b64encode(digest).decode()
    return hmac.compare_digest(expected.encode(), given.removeprefix(signature.prefix).encode())


def shake_hands(handshake: Handshake, secret: str, request: Request) -> Answer:
    """Answer a network that asks whether this address knows the secret."""
    query = request.query
    if handshake.style == "hub" and "hub.challenge" in query:
        token = query.get("hub.verify_token", "")
        if hmac.compare_digest(token.encode(), verify_token(secret).encode()):
            return Answer(200, query["hub.challenge"].encode())
        return Answer(403, b"hub.verify_token is not the one of this receiver\n")
    if handshake.style == "websub" and "hub.topic" in query:
        return _confirmed(handshake, secret, request)
    if handshake.style == "crc" and "crc_token" in query:
        digest = hmac.new(secret.encode(), query["crc_token"].encode(), hashlib.sha256).digest()
        return _json(response_token=f"sha256={base64.b64encode(digest).decode()}")
    if handshake.style == "challenge-code" and "challengeCode" in query:
        code = query["challengeCode"]
        digest = hmac.new(secret.encode(), code.encode(), hashlib.sha256).digest()
        return _json(challengeCode=code, challengeResponse=digest.hex())
    return Answer(404, b"webhooks are POSTed here\n")


def _confirmed(handshake: Handshake, secret: str, request: Request) -> Answer:
    """Confirm to a hub what was asked of it: nobody else knows the token, here or in the address it was given."""
    query = request.query
    token = query.get("hub.verify_token") or query.get("token", "")
    if not hmac.compare_digest(token.encode(), verify_token(secret).encode()):
        return Answer(404, b"hub.verify_token is not the one of this receiver\n")
    if query.get("hub.mode") == "denied":
        return Answer(200, b"noted\n")
    if not query["hub.topic"].startswith(handshake.topic) or "hub.challenge" not in query:
        return Answer(404, b"no such topic here\n")
    return Answer(200, query["hub.challenge"].encode())


def verify_token(secret: str) -> str:
    """Return the token to enter where a network asks for one: it gives nothing of the secret away."""
    return hashlib.sha256(f"clout verify token {secret}".encode()).hexdigest()[:32]


def _json(**values: str) -> Answer:
    return Answer(200, json.dumps(values).encode(), "application/json")

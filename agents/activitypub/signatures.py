"""Which of the fediverse's two kinds of signatures a request has."""

from agents.activitypub import draft_cavage, message_signatures
from agents.activitypub.signed import SignedRequest
from agents.receiver import Request


def parse(request: Request, now: int) -> SignedRequest | None:
    """Return what a request claims; None where it is not signed as it must be. `now` is Unix ms."""
    if "signature-input" in request.headers:
        return message_signatures.parse(request, now)
    return draft_cavage.parse(request, now)

"""HTTP Signatures as most of the fediverse sends them: draft-cavage-http-signatures-12."""

import re
from email.utils import parsedate_to_datetime
from typing import Final

from agents.activitypub.digests import has_digest
from agents.activitypub.signed import SignedRequest, decoded, is_fresh
from agents.receiver import Request

_FIELD: Final = re.compile(r'(\w+)="([^"]*)"')
_NEEDED: Final = {"(request-target)", "host", "date", "digest"}
"""What must be signed: else a request could be sent again elsewhere, later, or with another body."""


def parse(request: Request, now: int) -> SignedRequest | None:
    """
    Return what a request claims; None where it is not signed as it must be.

    Args:
        request: With the headers as they were sent.
        now: Unix ms.
    """
    fields = dict(_FIELD.findall(request.headers.get("signature", "")))
    names = fields.get("headers", "date").lower().split()
    if "keyId" not in fields or not _NEEDED.issubset(names) or not has_digest(request) or not _is_dated(request, now):
        return None
    lines = []
    for name in names:
        if name == "(request-target)":
            lines.append(f"{name}: {request.method.lower()} {request.target}")
        elif name in request.headers:
            lines.append(f"{name}: {request.headers[name]}")
        else:
            return None
    signature = decoded(fields.get("signature", ""))
    if signature is None:
        return None
    return SignedRequest(fields["keyId"], ("\n".join(lines).encode("latin-1", "replace"),), signature)


def _is_dated(request: Request, now: int) -> bool:
    try:
        date = parsedate_to_datetime(request.headers.get("date", ""))
    except ValueError:
        return False
    return date.tzinfo is not None and is_fresh(date.timestamp(), now)

"""
Which scope each path needs: the one table that decides.

The first line that matches counts. What no line names needs `admin`: a new path is closed until it is written here.
Of these the app is asked first whether there is such a path and method: who mistypes one is told so.
Paths outside of `/v1/` are open (health, schema, pages) or look after their callers themselves (Klout's API).
"""

from dataclasses import dataclass
from typing import Final

from schemas import Scope

_READ: Final = ("GET", "HEAD")
_WRITE: Final = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a caller needs; `open_reads` of the deployment lets everyone do what `is_public` says."""

    methods: tuple[str, ...]
    path: str
    scope: Scope | None
    is_public: bool = False
    is_stream: bool = False
    """Stays open, so it is counted; takes a token in the query, since browsers' EventSource sends no headers."""

    is_fallback: bool = False
    """Not named: asked for when a handler was found."""

    def covers(self, method: str, path: str) -> bool:
        """Tell whether a request is meant; a path covers all below it."""
        return method in self.methods and (path == self.path or path.startswith(self.path.rstrip("/") + "/"))


RULES: Final = (
    Rule(_READ, "/v1/changes", "read", is_public=True, is_stream=True),
    Rule(_READ, "/v1/spikes", "read", is_public=True, is_stream=True),
    Rule(("POST",), "/v1/scores", "read", is_public=True),
    Rule(("POST",), "/v1/events", "ingest"),
    Rule(_WRITE, "/v1/identities", "identity"),
    # Private: the key is always needed, and another key's things are not found.
    Rule(("POST",), "/v1/tokens", "read"),
    Rule((*_READ, *_WRITE), "/v1/subscriptions", "read"),
    Rule((*_READ, *_WRITE), "/v1/alerts", "read"),
    Rule(_READ, "/v1/overrides", "admin"),
    Rule(_READ, "/v1/forgotten", "admin"),
    Rule(_READ, "/v1", "read", is_public=True),
    Rule(_WRITE, "/v1", "admin", is_fallback=True),
)

_OPEN: Final = Rule((), "", None, is_public=True)
_CLOSED: Final = Rule((), "", "admin", is_fallback=True)
_METRICS: Final = Rule(_READ, "/metrics", "admin")


def rule_of(method: str, path: str) -> Rule:
    """Return what a request needs."""
    path = path if path == "/" else path.rstrip("/")
    if path == "/metrics":
        return _METRICS
    if not (path == "/v1" or path.startswith("/v1/")) or method == "OPTIONS":
        return _OPEN
    for rule in RULES:
        if rule.covers(method, path):
            return rule
    return _CLOSED


def is_metrics(rule: Rule) -> bool:
    """Tell whether a rule is that of `/metrics`, which the machine's own network reads without a key."""
    return rule is _METRICS

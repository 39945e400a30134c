"""Occasions: what alerts are about."""

import msgspec

from schemas import Spike
from schemas.alert import Occasion


class Event(msgspec.Struct, frozen=True, gc=False):
    """A spike as a rule sees it, or an agent whose ticks stay away."""

    id: str
    occasion: Occasion
    user: str
    network: str
    level: int
    is_closed: bool
    is_organic: bool
    time: int
    """When it was found, Unix ms."""
    began: int
    """In event time, Unix ms."""
    summary: str
    spike: Spike | None = None


def of_spike(spike: Spike) -> Event:
    """Return what a spike is to rules."""
    what = "rose" if spike.direction == "rise" else "fell"
    state = "is over" if spike.status == "closed" else f"{what} to {spike.rate:g} a minute from {spike.baseline:g}"
    doubt = "" if spike.authenticity == "organic" else f" (suspicious: {', '.join(spike.reasons) or 'no reason given'})"
    return Event(
        spike.id,
        spike.direction,
        spike.user,
        spike.network,
        spike.level,
        spike.status == "closed",
        spike.authenticity == "organic",
        spike.time,
        spike.began,
        f"engagement with {spike.user} {state}{doubt}",
        spike,
    )


def of_silence(source: str, began: int, now: int, *, is_closed: bool) -> Event:
    """Return what an agent's silence, or the end of it, is to rules; times in Unix ms."""
    state = "ticks again" if is_closed else f"has not ticked for {(now - began) // 1000} s: it may be dead"
    return Event(
        f"agent:{source}/{began}", "silent_agent", "", source, 5, is_closed, True, now, began, f"agent {source} {state}"
    )

"""What the handlers share."""

from dataclasses import dataclass

from pipeline.clock import Clock
from pipeline.lookup.hub import Hub
from pipeline.lookup.store import ScoreStore


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running lookup service."""

    store: ScoreStore
    hub: Hub
    clock: Clock

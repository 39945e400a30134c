"""The topics that a snapshot carries along as records: what stands in them is in no row."""

from typing import Final

from pipeline.state.sources import SOURCES
from pipeline.topics import TOPICS

_FOLDED: Final = {name for name in SOURCES if name not in {"profiles", "identities", "contributions"}}
"""Logs that the rows are made of. Of compacted topics others read, too, and folding a record twice changes nothing."""

_MADE_ANEW: Final = {"scores"}
"""The worker emits every score once when it begins from a snapshot."""

CARRIED: Final = tuple(spec for spec in TOPICS if spec.name not in _FOLDED | _MADE_ANEW)
"""Profiles, identities, contributions, details, history, spikes, control, dead letters."""

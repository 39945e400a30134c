"""The oracle's view of `clout.spikes`: what was told of spikes, against those that the log holds."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from schemas import Spike

BEGAN_MS: Final = 60_000
"""The tolerance: a spike is the same when it began within a minute of the other one .."""
LEVELS: Final = 1
""".. and reached its level, give or take one."""

_SPIKE: Final = msgspec.json.Decoder(Spike)
_SPIKES: Final = msgspec.json.Decoder(list[Spike])


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one spike."""

    user: str
    direction: Literal["rise", "drop"]
    began: int
    """Unix ms."""
    level: int

    def is_like(self, other: "Course") -> bool:
        """Tell whether both are the same spike, within the tolerance."""
        return (
            (self.user, self.direction) == (other.user, other.direction)
            and abs(self.began - other.began) <= BEGAN_MS
            and abs(self.level - other.level) <= LEVELS
        )


@dataclass(slots=True)
class SpikeReport:
    """How the spikes that were told compare with those of the log."""

    told: int = 0
    found: int = 0
    """Of these, the ones that the oracle finds, too."""
    missing: list[str] = field(default_factory=list)
    """Told, but not in the log: id and level."""
    untold: list[str] = field(default_factory=list)
    """In the log, but not told."""

    def compare(self, told: Iterable[Course], held: Iterable[Course]) -> None:
        """Compare the spikes of a partition; each is the counterpart of one other at most."""
        left: dict[str, list[Course]] = defaultdict(list)
        for course in held:
            left[course.user].append(course)
        for course in told:
            self.told += 1
            other = next((each for each in left[course.user] if course.is_like(each)), None)
            if other is None:
                self.missing.append(_name(course))
            else:
                self.found += 1
                left[course.user].remove(other)
        self.untold += [_name(course) for courses in left.values() for course in courses]


def told_since(values: Iterable[bytes | None], version: int) -> list[Course]:
    """Return the spikes in records of the topic that were told later than a version of their partition."""
    spikes = [_SPIKE.decode(value) for value in values if value is not None]
    return courses(spike for spike in spikes if spike.version > version)


def found(records: Iterable[bytes]) -> list[Course]:
    """Return the spikes in records as a round would send them."""
    return courses(_SPIKES.decode(b"[" + b",".join(records) + b"]"))


def courses(spikes: Iterable[Spike]) -> list[Course]:
    """Return what became of each spike, from all records of it, each of which may come twice."""
    by_id: dict[str, Course] = {}
    for spike in spikes:
        before = by_id.get(spike.id)
        level = max(spike.level, before.level) if before else spike.level
        by_id[spike.id] = Course(spike.user, spike.direction, spike.began, level)
    return list(by_id.values())


def _name(course: Course) -> str:
    return f"{course.user}/{course.began}, {course.direction}, level {course.level}"

"""
Totals become engagements: where a network says how many and not who, ten more are one event of an aggregate actor.

    youtube:aggregate/CHANNEL/7    stands for the seventh ten of likes that any video of the channel has gained

- **Ten of them are one.** Who is named is checked: how busy, how new, how mutual. Of a total nothing can be checked,
  and totals are for sale: so ten that nobody knows count as one person with a score of 0, 0.56 of one when new, 0.7
  later.
  A constant part leaves the order of a network's accounts as it is.
- **Distinct is what is certain.** The tens of all videos are numbered alike: a channel whose hundred videos gained a
  thousand likes each has a hundred aggregate actors, for the same people may have liked all of them.
- **Between two looks** events are spread evenly over the time since the total was looked at before.
- A total that **falls** withdraws nothing, for nobody knows whose like it was; it counts again above its highest.
- The **first** total of something is where it begins, unless that was posted within the day: then it begins at 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.settled import SettledTable
from pipeline.topics import DAY_MS
from schemas import Engagement, Kind

PER_EVENT: Final = 10
"""So many of a total are one event."""
_AT_ONCE: Final = 1_000
"""Events that one look makes at most; the rest comes with the next look, so that no figure floods the log."""
_LONGEST_MS: Final = 7 * DAY_MS
"""What happened in a longer time between two looks is told as of its end."""


@dataclass(frozen=True, slots=True)
class Total:
    """What a network counts of one thing."""

    network: str
    name: str
    """What is counted, without the network: video/ID."""
    target: str
    """Whose it is, without the network."""
    counts: Mapping[Kind, int]
    object: str | None = None
    posted: int | None = None
    """When it was posted, Unix ms."""


class _Seen(msgspec.Struct, array_like=True, frozen=True):
    """What has been counted of one total, in tens."""

    first: int
    counted: int
    looked: int
    """When, Unix ms."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Seen).decode


class Totals:
    """Compares totals with those before."""

    def __init__(self, table: SettledTable) -> None:
        """Keep in `table` what was counted; its entries are the caller's to settle."""
        self._table = table

    def read(self, total: Total, now: int) -> list[Engagement] | str:
        """Return the engagements that a total adds to the one before, or why there are none."""
        made: list[Engagement] = []
        fates: list[str] = []
        for kind, count in total.counts.items():
            fate = self._read(total, kind, count, now)
            if isinstance(fate, str):
                fates.append(fate)
            else:
                made += fate
        return made or next(iter(fates), "no_total")

    def _read(self, total: Total, kind: Kind, count: int, now: int) -> list[Engagement] | str:
        key = f"total:{total.network}:{total.name}/{kind}"
        held, tens = self._table.get(key), count // PER_EVENT
        seen = None if held is None else _decode(held)
        if seen is None and (total.posted is None or now - total.posted > DAY_MS):
            self._table.put(key, _encode(_Seen(tens, tens, now)))
            return "first_total"
        seen = seen or _Seen(0, 0, total.posted or now)
        until = min(max(tens, seen.counted), seen.counted + _AT_ONCE)
        self._table.put(key, _encode(_Seen(seen.first, until, now)))
        if until == seen.counted:
            return "total_fell" if tens < until else "same_total"
        return [
            _event(total, kind, ten, ten - seen.first, _between(seen, ten, until, now))
            for ten in range(seen.counted + 1, until + 1)
        ]


def _between(seen: _Seen, ten: int, until: int, now: int) -> int:
    """Return when one of the new tens was full, were they all as far apart."""
    since = min(max(seen.looked, now - _LONGEST_MS), now)
    return since + (now - since) * (ten - seen.counted) // (until - seen.counted)


def _event(total: Total, kind: Kind, ten: int, number: int, time: int) -> Engagement:
    return Engagement(
        id=f"{total.network}:{total.name}/{kind}/total/{ten * PER_EVENT}",
        kind=kind,
        network=total.network,
        actor=f"{total.network}:aggregate/{total.target}/{number}",
        target=f"{total.network}:{total.target}",
        time=time,
        object=None if kind == "follow" else total.object,
        actor_score=0.0,
        mutual=False,
    )

"""
The engagement table: a Faust table whose partitions are columns, not dictionaries.

Faust declares its changelog and moves it with the source partitions; what is in it is `pipeline.state`'s.
It is written once per commit and read in bulk, by `commit` and `recovery`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import faust
import numpy as np
from faust.stores.base import Store
from faust.types import TP

from pipeline import metrics
from pipeline.clock import system_clock
from pipeline.deployment import state_config
from pipeline.logs import get_logger
from pipeline.partitioner import partitions_of
from pipeline.settings import Settings
from pipeline.state.decisions import Decisions
from pipeline.state.forgetting import drop_rows, farewells, scrub
from pipeline.state.partition import Partition
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCE_OF, SOURCES
from pipeline.streams.emission import Emission
from pipeline.streams.zombies import Tail
from schemas import AccountContribution

_log = get_logger(__name__)

SCRUBBED: Final = 64
"""So many forgotten ids, the newest, are looked for again after a recovery: each costs a look through all evidence."""


class EngagementStore(Store):
    """Holds the partitions that this worker owns."""

    partitions: dict[int, Partition]
    emissions: dict[int, Emission]
    tails: dict[int, Tail]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions = {}
        self.emissions = {}
        self.tails = {}

    def persisted_offset(self, tp: TP) -> int | None:  # noqa: ARG002
        """Return nothing: recovery reads a partition's whole changelog."""
        return None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Nothing is kept outside the changelog."""

    async def need_active_standby_for(self, tp: TP) -> bool:  # noqa: ARG002
        """Return False: there are no standbys."""
        return False

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Nothing arrives this way: `recovery` reads changelogs in bulk."""

    def reset_state(self) -> None:
        """Forget everything held."""
        self.partitions.clear()
        self.emissions.clear()
        self.tails.clear()

    async def on_rebalance(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `recovery` decides what is kept."""

    async def on_recovery_completed(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is left to do."""

    async def backup_partition(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept on disk."""

    def restore_backup(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is kept on disk."""

    def __getitem__(self, key: Any) -> Any:
        for part in self.partitions.values():
            if (row := part.index.get(_key(key))) is not None:
                return part.profiles.get(row)
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("rows change by what is folded alone")

    def __delitem__(self, key: Any) -> None:
        raise TypeError("rows change by what is folded alone")

    def __iter__(self) -> Iterator[bytes]:
        for part in self.partitions.values():
            yield from part.ids

    def __len__(self) -> int:
        return sum(map(len, self.partitions.values()))

    def __contains__(self, key: Any) -> bool:
        return any(_key(key) in part.index for part in self.partitions.values())

    def clear(self) -> None:
        """Forget everything held."""
        self.reset_state()


def _key(key: Any) -> bytes:
    return key.encode() if isinstance(key, str) else bytes(key)


class EngagementTable(faust.Table):
    """The engagement table of one worker: the partitions it owns, by number."""

    def __init__(self, app: Any, *, settings: Settings, **kwargs: Any) -> None:
        super().__init__(app, name="engagement", key_type=bytes, value_type=bytes, **kwargs)
        self.settings = settings
        self._state_config = state_config(settings)
        self.decisions = Decisions()
        """What administrators decided, as far as it has arrived."""
        self._forgotten: dict[int, set[bytes]] = {}
        self._farewells: dict[int, list[AccountContribution]] = {}
        self._sources = {settings.topic_prefix + name: number for name, number in SOURCE_OF.items()}

    def _new_store(self) -> EngagementStore:
        return EngagementStore("clout-columns://", self.app, self, loop=self.loop)

    @property
    def partitions_held(self) -> dict[int, Partition]:
        """The partitions that this worker owns and has recovered."""
        held: dict[int, Partition] = self.data.partitions
        return held

    @property
    def emissions(self) -> dict[int, Emission]:
        """The emission times of each partition."""
        held: dict[int, Emission] = self.data.emissions
        return held

    @property
    def tails(self) -> dict[int, Tail]:
        """How far the changelog of each partition is known."""
        held: dict[int, Tail] = self.data.tails
        return held

    def source(self, topic: str) -> int:
        """Return the number of an input topic."""
        return self._sources[topic]

    def topic(self, source: int) -> str:
        """Return the full name of an input topic."""
        return self.settings.topic_prefix + SOURCES[source]

    def new_partition(self, number: int) -> Partition:
        """Return an empty partition."""
        return Partition(number, self._state_config, self.decisions)

    def keep(self, restore: Restore, end: int) -> None:
        """Own a partition that was recovered from its changelog up to an offset."""
        part = restore.partition
        self.partitions_held[part.number] = part
        tail = self.tails[part.number] = Tail(end)
        if part.version_before + restore.overtaken_to >= part.version:
            tail.hidden_to = part.version_before + restore.overtaken_to
        emission = self.emissions[part.number] = Emission(self.settings)
        emission.owe_all(part)
        emission.owe_details(part)
        # A worker may have crashed within the round that was to delete them.
        newest = sorted(self.decisions.forgotten.times.items(), key=lambda item: -item[1])
        self._forget(part, [user for user, _ in newest], [user for user, _ in newest[:SCRUBBED]])

    def forget(self, user: str) -> None:
        """Take a user out of all partitions held; the next round deletes what was written."""
        for part in self.partitions_held.values():
            self._forget(part, [user], [user])

    def _forget(self, part: Partition, users: Sequence[str], actors: Sequence[str]) -> None:
        keys = [user.encode() for user in users]
        ours = partitions_of(keys, self.settings.partitions) == part.number if keys else ()
        self.delete(part.number, {key for key, is_ours in zip(keys, ours, strict=True) if is_ours})
        self._farewells.setdefault(part.number, []).extend(farewells(part, users, system_clock()))
        self.emissions[part.number].drop(part, drop_rows(part, users))
        scrub(part, actors)

    def delete(self, number: int, keys: set[bytes]) -> None:
        """Let the next round delete what was written of users of a partition."""
        self._forgotten.setdefault(number, set()).update(keys)

    def take_farewells(self, number: int) -> list[AccountContribution]:
        """Return what forgotten accounts have to tell the persons they belonged to, once."""
        return self._farewells.pop(number, [])

    def take_forgotten(self, number: int) -> set[bytes]:
        """Return the ids whose records must be deleted, once."""
        return self._forgotten.pop(number, set())

    def drop(self, number: int) -> None:
        """Let a partition go."""
        if self.partitions_held.pop(number, None) is not None:
            metrics.forget_partition(number, self._sources)
        self.emissions.pop(number, None)
        self.tails.pop(number, None)
        self._forgotten.pop(number, None)
        self._farewells.pop(number, None)

    def skip_removed(self, begins: Mapping[TP, int]) -> None:
        """
        Go on where the logs begin, if retention has removed what was not folded yet.

        For a fold that begins anew that is as it must be; ticks are kept for a day.
        """
        for tp, begin in begins.items():
            part, source = self.partitions_held.get(tp.partition), self.source(tp.topic)
            if part is None or part.positions[source] >= begin:
                continue
            removed = begin - int(part.positions[source])
            _log.warning("records were removed before they were read", **tp._asdict(), records=removed)
            part.skip_to(source, begin)

    def give_up_lost(self, ends: Mapping[TP, int]) -> None:
        """
        Wait for nothing behind the ends of the logs: a broker may have lost what the last owner had folded.

        Nothing would be emitted until as many records have come in their place.
        """
        for tp, end in ends.items():
            part, source = self.partitions_held.get(tp.partition), self.source(tp.topic)
            if part is None:
                continue
            reached = max(end, int(part.positions[source]))
            if part.counted[source] > reached:
                lost = int(part.counted[source]) - reached
                _log.warning("the broker has lost records that were counted", **tp._asdict(), records=lost)
                part.counted[source] = reached

    def positions(self, committed: Mapping[TP, int]) -> dict[TP, int]:
        """Return where to go on reading: where the fold stands, or else at the committed offset."""
        positions: dict[TP, int] = {}
        for tp, offset in committed.items():
            part = self.partitions_held.get(tp.partition)
            positions[tp] = offset if part is None else int(part.positions[self.source(tp.topic)])
        return positions

    def committed_vector(self, number: int, committed: Mapping[TP, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the committed offsets of one partition in the order of the sources."""
        return np.array([committed.get(TP(self.topic(source), number), 0) for source in range(len(SOURCES))], np.int64)

"""What the alerter remembers between two records, in Redis: nothing is told twice, nor lost in a crash."""

from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.lookup.alerts.rules import Alert, Told
from pipeline.lookup.alerts.ticking import Ticking
from pipeline.lookup.delivery.queue import Step


class Group(msgspec.Struct, frozen=True, gc=False):
    """Alerts that wait for their group's next message, which may go out at `next_at` (Unix ms)."""

    next_at: int
    waiting: list[Alert] = []


_encode = msgspec.json.Encoder().encode
_TOLD: Final = "told "
_GROUP: Final = "group "
_TICK: Final = "tick "


class Memory:
    """A copy of the hash; each change is noted in the step that is to be written with it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.ticking = Ticking()
        self._told: dict[str, Told] = {}
        self._groups: dict[str, Group] = {}

    async def load(self) -> dict[str, int]:
        """Read everything anew; returns the positions of the topics by their field."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.ALERTS)
            pipe.hgetall(keys.ALERTER)
            notes, positions = cast("list[dict[bytes, bytes]]", await pipe.execute())
        self.ticking, self._told, self._groups = Ticking(), {}, {}
        for name, value in notes.items():
            self._read(name.decode(), value)
        return {name.decode(): int(value) for name, value in positions.items()}

    def _read(self, name: str, value: bytes) -> None:
        if name.startswith(_TOLD):
            self._told[name.removeprefix(_TOLD)] = msgspec.json.decode(value, type=Told)
        elif name.startswith(_GROUP):
            self._groups[name.removeprefix(_GROUP)] = msgspec.json.decode(value, type=Group)
        elif name.startswith(_TICK):
            self.ticking.last[name.removeprefix(_TICK)] = int(value)

    def told(self, rule: str, event: str) -> Told | None:
        """Return what a rule has told of an event."""
        return self._told.get(f"{rule} {event}")

    def is_told_by_anyone(self, event: str) -> bool:
        """Tell whether any rule has an event open."""
        return any(name.endswith(f" {event}") for name in self._told)

    def tell(self, step: Step, rule: str, event: str, told: Told | None) -> None:
        """Remember what a rule has told of an event; None forgets it."""
        name = f"{rule} {event}"
        if told is None:
            self._told.pop(name, None)
            step.notes.append((_TOLD + name, ""))
        else:
            self._told[name] = told
            step.notes.append((_TOLD + name, _encode(told).decode()))

    def group(self, name: str) -> Group:
        """Return a group as it stands."""
        return self._groups.get(name, Group(0))

    def put_group(self, step: Step, name: str, group: Group | None) -> None:
        """Remember a group; None forgets it."""
        if group is None:
            self._groups.pop(name, None)
            step.notes.append((_GROUP + name, ""))
        else:
            self._groups[name] = group
            step.notes.append((_GROUP + name, _encode(group).decode()))

    def groups_due(self, now: int) -> list[tuple[str, Group]]:
        """Return the groups whose next message may go out."""
        return [(name, group) for name, group in self._groups.items() if group.next_at <= now]

    def note_ticks(self, step: Step, sources: set[str]) -> None:
        """Remember when agents were heard of."""
        for source in sources:
            last = self.ticking.last.get(source)
            step.notes.append((_TICK + source, "" if last is None else str(last)))

    async def scores(self, users: list[str]) -> dict[str, float]:
        """Return the scores of users, of those who have one."""
        if not users:
            return {}
        execute = cast("Any", self._redis.execute_command)
        found = await execute("ZMSCORE", keys.RANK, *users)
        return {user: float(score) for user, score in zip(users, found, strict=True) if score is not None}

"""Crashes at any moment, zombies and compaction: what is restored and folded on is what was never interrupted."""

from typing import Final

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.state.codec import encode_meta, encode_rows
from pipeline.state.overtaken import Overtaken
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCES
from schemas import KINDS, Engagement, Post, Profile, Tick
from tests.unit.state.log import DAY, FOREVER, HOUR, NOW, Log, columns, documents

USERS: Final = ("bluesky:a", "twitter:b")

THEN: Final = ("the owner goes on", "another recovers", "a day passes")
"""What comes after a zombie has written."""


class Worker(RuleBasedStateMachine):
    """
    A worker on a log that grows, with rounds that may break off anywhere.

    The model is the log itself: whenever the rows have caught up with what they had absorbed before a crash, they must
    be what folding the log from its beginning gives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.part = Partition(0, FOREVER)
        self.part.write_as(1)
        self.changelog: list[tuple[bytes, bytes]] = []
        self.stopped: list[Partition] = []
        """Of workers that lost it, maybe amid a flush that is still to come."""
        self.is_overwritten = False
        """Whether a worker that had been stopped has written since the last recovery or look, which repair that."""
        self.recovered_to = 0
        """Records of the changelog that the owner has read."""
        self.repaired = 0
        """Records of the changelog among which nothing is overwritten any more: its recoveries have seen to that."""
        self.committed = np.zeros(len(SOURCES), np.int64)
        self.sent: dict[bytes, int] = {}
        self.now = NOW - 60 * DAY
        self.generation = 1
        self.n = 0

    @initialize(n=st.integers(0, 120))
    def begin(self, n: int) -> None:
        """Some users have a past, some a long one."""
        for i in range(n):
            self.engage(USERS[0], i % 70, 0, i * 1_000, undo=False)

    @rule(
        user=st.sampled_from(USERS),
        actor=st.integers(0, 30),
        kind=st.integers(0, 3),
        late=st.sampled_from([0, HOUR, 3 * DAY]),
        undo=st.booleans(),
    )
    def engage(self, user: str, actor: int, kind: int, late: int, undo: bool) -> None:
        """Somebody engages, or takes back what nobody may have seen."""
        self.n += 1
        event = Engagement(
            id=f"bluesky:{self.n}",
            kind=KINDS[kind],
            network="bluesky",
            actor=f"bluesky:{actor}",
            target=user,
            time=self.now - late,
            undo=undo and actor % 4 == 0,
            actor_nth=actor or None,
            actor_score=float(actor) if actor % 2 else None,
        )
        self.log.add(event, timestamp=self.now)

    @rule(user=st.sampled_from(USERS))
    def write(self, user: str) -> None:
        """A user posts."""
        self.n += 1
        self.log.add(Post(id=f"bluesky:{self.n}", network="bluesky", author=user, time=self.now), timestamp=self.now)

    @rule(user=st.sampled_from(USERS), followers=st.integers(0, 10**6))
    def introduce(self, user: str, followers: int) -> None:
        """A profile changes, at a later time."""
        self.now += 1_000
        profile = Profile(user=user, network="bluesky", time=self.now, handle=f"h{self.n}", followers=followers)
        self.log.add(profile, timestamp=self.now)

    @rule(hours=st.sampled_from([1, 30, 24 * 8]))
    def pass_time(self, hours: int) -> None:
        """Time passes, and a tick says so."""
        self.now += hours * HOUR
        self.log.add(Tick("live", self.now), timestamp=self.now)

    @rule(source=st.integers(0, len(SOURCES) - 1), n=st.integers(1, 40))
    def fold_some(self, source: int, n: int) -> None:
        """A fetch of one topic arrives."""
        first = int(self.part.positions[source])
        assert not self.part.fold(source, self.log.run(source, first, first + n))

    @rule(n=st.integers(1, 200))
    def fold_all(self, n: int) -> None:
        """The worker catches up."""
        for source in range(len(SOURCES)):
            while int(self.part.positions[source]) < self.log.end(source):
                self.fold_some(source, n)

    def flush(self, part: Partition, parts: int) -> bool:
        """Write what is dirty to the changelog, of which only so many thirds arrive; tell whether all did."""
        part.settle()
        dirty = np.flatnonzero(part.dirty[: len(part)])
        records = [*encode_rows(part, dirty, part.owed[dirty], part.writer), encode_meta(part, part.writer)]
        self.changelog += records[: parts * len(records) // 3]
        return parts == 3

    def send(self, part: Partition) -> None:
        """Emit what is owed."""
        n = len(part)
        for row in np.flatnonzero(part.owed[:n]).tolist():
            assert part is not self.part or part.applied is not None or self.sent.get(part.ids[row], -1) <= part.version
            self.sent[part.ids[row]] = max(self.sent.get(part.ids[row], -1), part.version)
        part.dirty[:n] = False
        part.owed[:n] = False

    @rule(n=st.integers(0, 200))
    def run_round(self, n: int) -> None:
        """Catch up or not; then flush, send, commit."""
        if n:
            self.fold_all(n)
        self.flush(self.part, 3)
        if not self.is_overwritten:
            self.repaired = len(self.changelog)
        self.send(self.part)
        self.committed = self.part.positions.copy()

    @rule(acknowledged=st.integers(0, 3), sends=st.booleans())
    def break_off(self, acknowledged: int, sends: bool) -> None:
        """A round breaks off anywhere, and is followed by a restart: nothing goes on with half of it."""
        if self.flush(self.part, acknowledged) and sends:
            self.send(self.part)
        self.restart()

    @rule()
    def restart(self) -> None:
        """The worker dies or hangs; another restores the rows and goes on at the committed offsets."""
        self.part.settle()
        if self.part.dirty.any():
            self.stopped.append(self.part)
        self.generation += 1
        self.is_overwritten = False
        restore = Restore(Partition(0, FOREVER))
        for first in range(0, len(self.changelog), 5):
            restore.add(*Packed.of_pairs(self.changelog[first : first + 5]))
        restore.finish(self.committed)
        self.part = restore.partition
        self.part.write_as(self.generation)
        self.recovered_to = len(self.changelog)

    @rule()
    def rejoin(self) -> None:
        """The group is balanced anew, and the worker keeps the partition."""
        self.generation += 1
        self.part.write_as(self.generation)

    @rule()
    def look(self) -> None:
        """The owner looks who wrote since it recovered; the next round writes over what zombies did."""
        found = Overtaken(self.part)
        written = self.changelog[self.recovered_to :]
        for first in range(0, len(written), 5):
            found.add(*Packed.of_pairs(written[first : first + 5]))
        assert self.is_overwritten or not len(found.rows())
        self.part.dirty[found.rows()] = True
        self.is_overwritten = False
        self.run_round(0)

    @rule(user=st.sampled_from(USERS), actor=st.integers(0, 30), rejoins=st.integers(0, 2))
    def hang(self, user: str, actor: int, rejoins: int) -> None:
        """The worker hangs before it has flushed what it folded; another folds on from the committed offsets."""
        for _ in range(rejoins):
            self.rejoin()
        self.engage(user, actor, 0, 0, undo=False)
        self.fold_all(200)
        self.restart()
        self.engage(user, actor + 1, 0, 0, undo=False)
        self.run_round(200)

    @precondition(lambda self: self.stopped)
    @rule(which=st.integers(0, 100), acknowledged=st.integers(1, 3), commits=st.booleans(), then=st.sampled_from(THEN))
    def zombie(self, which: int, acknowledged: int, commits: bool, then: str) -> None:
        """A worker that lost the partition wakes up: its flush, or a part of it, lands after the new owners'."""
        woken = self.stopped.pop(which % len(self.stopped))
        if self.flush(woken, acknowledged) and commits:
            # Not every broker refuses it.
            self.send(woken)
            self.committed = woken.positions.copy()
        self.is_overwritten = True
        if then == "another recovers":
            self.restart()
        elif then == "a day passes":
            self.look()
            self.compact()

    @rule()
    def compact(self) -> None:
        """The broker keeps of each key the last record; what is not repaired yet is younger than it may compact."""
        old = self.changelog[: self.repaired]
        last = {key: place for place, (key, _) in enumerate(old)}
        kept = [old[place] for place in sorted(last.values())]
        self.changelog[: self.repaired] = kept
        self.repaired = len(kept)
        self.restart()

    @precondition(lambda self: self.part.applied is None)
    @invariant()
    def the_rows_are_what_the_log_says(self) -> None:
        """G1 to G3: fold the log up to the positions, and nothing differs."""
        part = self.part
        part.settle()
        truth = Partition(0, FOREVER)
        for source, end in enumerate(part.positions.tolist()):
            truth.fold(source, self.log.run(source, 0, end))
        truth.settle()
        as_of = max(part.as_of, truth.as_of)
        held = {user: document for user, document in documents(part, as_of).items() if user.encode() in truth.index}
        assert held == documents(truth, as_of)
        if set(part.ids) == set(truth.ids):
            assert columns(part, as_of) == columns(truth, as_of)
        assert len(part) >= len(truth)

    @invariant()
    def fates_add_up(self) -> None:
        """G8: every record folded has one fate, counted once whatever was read again."""
        counted = np.maximum(self.part.positions, self.part.counted)
        assert self.part.fates.sum() == counted.sum()

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """A row with news that were not sent is owed, or will be when its events are read again."""
        part = self.part
        if part.applied is None and (part.positions == self.committed).all():
            owed = part.owed[: len(part)]
            assert all(bool(owed[row]) or user in self.sent for row, user in enumerate(part.ids))


# No shrinking: a failure shows its steps, and minutes of shrinking would not make them plainer.
PHASES: Final = (Phase.explicit, Phase.reuse, Phase.generate)

Worker.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, phases=PHASES)
TestRecovery = Worker.TestCase

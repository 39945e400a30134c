"""Persons across partitions and crashes: in the end each one's score holds all their accounts, and nothing else."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest

from pipeline.settings import Settings
from pipeline.state.codec import encode_meta, encode_rows
from pipeline.state.documents import score_documents
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.persons import standing
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCES
from pipeline.streams.contributions import Contributions
from schemas import KINDS, Engagement, Identity, ScoreDocument, Tick
from tests.unit.state.log import FOREVER, NOW, Log

USERS: Final = ("bluesky:a", "bluesky:b", "mastodon:c", "github:d", "github:e")
"""Accounts and persons at once, each in the partition of its place modulo three."""

ROUNDS_TO_REST: Final = 12
"""A change passes through two partitions; whatever needs more never rests."""


class Member:
    """The worker of one partition: its log, what it has written, and what it holds."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.log = Log()
        self.changelog: list[tuple[bytes, bytes]] = []
        self.committed = np.zeros(len(SOURCES), np.int64)
        self.generation = 0
        self.restart()

    def restart(self) -> None:
        """Die, and come back with what was written."""
        self.generation += 1
        restore = Restore(Partition(self.number, FOREVER))
        restore.add(*Packed.of_pairs(self.changelog))
        restore.finish(self.committed)
        self.part = restore.partition
        self.contributions = Contributions(Settings(_env_file=None))

    def fold(self, source: int, n: int) -> None:
        """Fold the next records of a topic."""
        first = int(self.part.positions[source])
        assert not self.part.fold(source, self.log.run(source, first, first + n))

    def is_behind(self) -> bool:
        """Tell whether the log has more."""
        return any(self.log.end(source) > self.part.positions[source] for source in range(len(SOURCES)))


class World:
    """Three partitions whose logs, links and crashes are drawn; contributions travel between them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.members = [Member(number) for number in range(3)]
        self.held: dict[str, ScoreDocument] = {}
        self.links: dict[str, str] = {}
        self.counts: Counter[tuple[str, int]] = Counter()
        self.now = NOW
        self.n = 0

    def of(self, user: str) -> Member:
        """Return the member whose partition a user's records are in."""
        return self.members[USERS.index(user) % 3]

    def step(self) -> None:
        """Let one thing happen; most often something that does no harm."""
        steps: dict[Callable[[], None], int] = {
            self.engage: 8,
            self.link: 2,
            self.unlink: 1,
            self.pass_time: 1,
            self.fold_some: 6,
            self.run_round: 5,
            self.break_off: 2,
            self.repeat: 1,
        }
        (chosen,) = self.random.choices(list(steps), list(steps.values()))
        chosen()

    def member(self) -> Member:
        """Return any member."""
        return self.random.choice(self.members)

    def engage(self) -> None:
        """Somebody engages."""
        user, kind, actor = self.random.choice(USERS), self.random.randrange(4), self.random.randrange(10)
        self.n += 1
        network, time = user.partition(":")[0], self.now
        event = Engagement(f"x:{self.n}", KINDS[kind], network, f"{network}:actor{actor}", user, time)
        self.of(user).log.add(event, timestamp=self.now)
        self.counts[user, kind] += 1

    def link(self) -> None:
        """An account is linked: to itself, in chains and circles, too."""
        account, person = self.random.choice(USERS), self.random.choice(USERS)
        self.of(account).log.add(Identity(account, person, self.now), timestamp=self.now)
        self.links[account] = person

    def unlink(self) -> None:
        """An account is unlinked, also one that never was linked."""
        account = self.random.choice(USERS)
        self.of(account).log.unlink(account, timestamp=self.now)
        self.links.pop(account, None)

    def pass_time(self) -> None:
        """Time passes, and ticks say so."""
        self.now += self.random.randrange(90) * 60_000
        for member in self.members:
            member.log.add(Tick("live", self.now), timestamp=self.now)

    def fold_some(self) -> None:
        """A fetch of one topic arrives, or of all."""
        member, n = self.member(), self.random.choice([1, 2, 5, 1 << 20])
        for source in self.random.sample(range(len(SOURCES)), self.random.choice([1, 3, len(SOURCES)])):
            member.fold(source, n)

    def run_round(self) -> None:
        """Flush, send, commit."""
        self._run_round(self.member(), 3, 3, commits=True)

    def break_off(self) -> None:
        """Die when so many thirds were flushed, or so many of the documents and contributions sent."""
        flushed = self.random.choice([0, 1, 2, 3, 3, 3])
        self._run_round(self.member(), flushed, self.random.randrange(4), commits=False)

    def _run_round(self, member: Member, flushed: int, sent: int, *, commits: bool) -> None:
        part = member.part
        part.settle()
        self.now += 200
        n = len(part)
        dirty, owed = np.flatnonzero(part.dirty[:n]), np.flatnonzero(part.owed[:n])
        seen, scores = standing(part, owed)
        documents = score_documents(part, owed, seen, scores, self.now)
        due = member.contributions.due(part, owed.tolist(), self.now)
        records = [
            *encode_rows(part, dirty, part.owed[dirty], member.generation),
            encode_meta(part, member.generation),
        ]
        positions = part.positions.copy()
        member.changelog += records[: flushed * len(records) // 3]
        if flushed < 3:
            member.restart()
            return
        for document in documents[: sent * len(documents) // 3]:
            if document.user not in self.held or document.version > self.held[document.user].version:
                self.held[document.user] = document
        tidings = [each for sent_by_row in due.values() for each in sent_by_row]
        for each in tidings[: sent * len(tidings) // 3]:
            self.of(each.user).log.add(each, timestamp=self.now)
        if sent < 3 or not commits:
            member.restart()
            return
        for row, told in due.items():
            if part.applied is None:
                part.linking.told(row, [each.user for each in told if not each.linked])
        part.dirty[:n] = part.owed[:n] = False
        member.committed = positions

    def repeat(self) -> None:
        """A contribution of some time ago reaches the log once more."""
        source = SOURCES.index("contributions")
        log = self.member().log
        if log.end(source):
            at = self.random.randrange(log.end(source))
            log.raw(source, log.keys[source][at], log.values[source][at], timestamp=self.now)

    def rest(self) -> None:
        """There are no faults any more, and everything comes to rest."""
        for member in self.members:
            member.restart()
        for _ in range(ROUNDS_TO_REST):
            for member in self.members:
                for source in range(len(SOURCES)):
                    member.fold(source, 1 << 20)
                self._run_round(member, 3, 3, commits=True)
        for member in self.members:
            assert not member.is_behind()
            assert not member.part.owed.any()

    def check(self, user: str) -> None:
        """A reader holds the sum of a person's accounts, and the name of an account's person."""
        accounts = [user, *(each for each in self.links if self.links[each] == user != each)]
        expected = [sum(self.counts[account, kind] for account in accounts) for kind in range(4)]
        document = self.held.get(user)
        if document is None:
            assert not any(expected)
            return
        quarter = document.engagement.quarter
        assert [quarter.likes, quarter.shares, quarter.comments, quarter.follows] == expected
        person = self.links.get(user)
        assert document.person == (None if person == user else person)
        assert set(document.networks) == {account.partition(":")[0] for account in accounts}
        assert abs(sum(network.share for network in document.networks.values()) - 1) < 0.001
        alone = max(network.score for network in document.networks.values())
        assert 1.0 <= alone - 0.01 <= document.score <= 100.0 or document.score == alone == 1.0
        part = self.of(user).part
        assert sorted(each.account for each in part.linking.parts(part.index[user.encode()])) == sorted(accounts[1:])


@pytest.mark.parametrize("seed", range(25))
def test_whatever_is_linked_and_whoever_dies_each_person_has_their_accounts(seed: int) -> None:
    """Once the faults are over, a reader's documents are what the log says of all accounts and links."""
    world = World(seed)
    for _ in range(world.random.choice([20, 100, 300])):
        world.step()
    world.rest()
    for user in USERS:
        world.check(user)

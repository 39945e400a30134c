"""Accounts are linked, changed and unlinked while workers die: each person has each of their accounts once."""

import asyncio
from typing import Final

import pytest

from pipeline.identities import publish_link
from schemas import KINDS
from tests.chaos.trial import Trial, recovered
from tests.support.cluster import Cluster, Role
from tests.support.ledger import Counts, Ledger
from tests.support.nemesis import Nemesis
from tests.support.observed import wait_for_rest
from tests.support.topics import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

USERS: Final = 60
"""Few, so that they are linked in chains and circles, too."""


class Links:
    """Who was linked to whom, as acknowledged."""

    def __init__(self, trial: Trial) -> None:
        self.records = 0
        self._trial = trial
        self._persons: dict[str, str | None] = {}

    def change(self) -> None:
        """Link or unlink a random account."""
        draw = self._trial.nemesis.random
        account, other = (f"n:user{draw.randrange(USERS)}" for _ in range(2))
        person = None if draw.random() < 0.25 else other
        asyncio.run(publish_link(self._trial.cluster.settings, account, person))
        self._persons[account] = person
        self.records += 1

    def expected(self, alone: Counts) -> Counts:
        """Return what each person's score must hold, from what each account must."""
        whole = {user: dict(counts) for user, counts in alone.items()}
        for account, person in self._persons.items():
            if person not in {None, account} and account in alone:
                counts = whole.setdefault(str(person), dict.fromkeys(KINDS, 0))
                for kind, count in alone[account].items():
                    counts[kind] += count
        return whole


def settle(trial: Trial, links: Links, workers: list[Role]) -> None:
    """Wait for rest; contributions are records that workers write for one another."""
    settings = trial.cluster.settings
    wait_for_rest(
        workers,
        lambda: trial.ledger.records + links.records + len(asyncio.run(read_topic(settings, "contributions"))),
        90,
    )


def kill_and_link(trial: Trial, kills: int, workers: int) -> None:
    """SIGKILL one worker after the other while accounts are linked and unlinked under load."""
    trial.store()
    links = Links(trial)
    running: list[Role] = []
    with trial.load(600):
        for _ in range(kills):
            while len(running) < workers:
                running.append(trial.worker())
            trial.wait_until_it_folds(running[0])
            for _ in range(trial.nemesis.random.randrange(1, 8)):
                links.change()
            trial.nemesis.moment(0.0, 1.0)
            trial.kill(running.pop(0))
        while len(running) < workers:
            running.append(trial.worker())
        for _ in range(10):
            links.change()
        trial.wait_until_it_folds(running[0])
    settle(trial, links, running)
    assert recovered(running[-1])[0] > 0
    report = trial.compare(links.expected(trial.ledger.expected()), undone=True)
    assert report.records > trial.ledger.records + links.records, "accounts have contributed"


@pytest.fixture
def linked(cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial with few users."""
    return Trial(cluster, nemesis, Ledger(nemesis.seed, users=USERS))


@pytest.fixture
def kafka_linked(kafka_cluster: Cluster, nemesis: Nemesis) -> Trial:
    """The same on Apache Kafka."""
    return Trial(kafka_cluster, nemesis, Ledger(nemesis.seed, users=USERS))


def test_linked_accounts_count_once_across_crashes(linked: Trial) -> None:
    """A few kills in every run; `make chaos` does more."""
    kill_and_link(linked, 2, 1)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_linked_accounts_count_once_across_many_crashes(linked: Trial) -> None:
    """Ten kills."""
    kill_and_link(linked, 10, 1)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.kafka
def test_linked_accounts_count_once_with_workers_that_come_and_go(kafka_linked: Trial) -> None:
    """Accounts and persons are at different workers, which die in turn."""
    kill_and_link(kafka_linked, 6, 2)

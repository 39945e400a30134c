"""The oracle's view of `clout.contributions`: what linked accounts told their persons, against what the log says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from aiokafka import TopicPartition

from pipeline.chains import Chain, chains
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.persons import LEVEL_DIGITS, contributions
from schemas import AccountContribution

_COMPARED: Final = ("engagement", "engagers", "authenticity", "last", "model")
_CONTRIBUTION: Final = msgspec.json.Decoder(AccountContribution)
_OFFSETS: Final = msgspec.json.Decoder(dict[str, int])


@dataclass(frozen=True, slots=True)
class Told:
    """What an account told a person, and the offsets that it knew."""

    sent: AccountContribution
    offsets: dict[str, int]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An account that should have told something else by the end of the log; under traffic it may yet."""

    account: str
    version: int
    """Of what it told; -1 where it told nothing."""
    text: str


class Contributed:
    """The newest that each account told each person."""

    def __init__(self) -> None:
        self._newest: dict[bytes, dict[str, Told]] = {}
        self.ends: dict[TopicPartition, int] = {}
        """How far the topic was read."""

    @classmethod
    async def read(cls, reader: LogReader, settings: Settings) -> "Contributed":
        """Read the whole topic."""
        contributed = cls()
        topic = settings.topic_prefix + "contributions"
        tps = [TopicPartition(topic, number) for number in range(settings.partitions)]
        contributed.ends = await reader.begins(tps)
        async for tp, records in reader.read(dict(contributed.ends)):
            contributed.ends[tp] = records[-1].offset + 1
            for record in records:
                if record.value is not None:
                    contributed.add(
                        _CONTRIBUTION.decode(record.value), _OFFSETS.decode(dict(record.headers)["offsets"])
                    )
        return contributed

    def add(self, sent: AccountContribution, offsets: dict[str, int]) -> None:
        """Note a contribution."""
        persons = self._newest.setdefault(sent.account.encode(), {})
        held = persons.get(sent.user)
        if held is None or (held.sent.version, held.sent.time) < (sent.version, sent.time):
            persons[sent.user] = Told(sent, offsets)

    def _of(self, part: Partition) -> Iterator[tuple[int, Told]]:
        """Yield what the rows of a partition told, but for what they told in an earlier log."""
        for account, persons in self._newest.items():
            row = part.index.get(account)
            if row is not None:
                yield from ((row, told) for told in persons.values() if told.sent.version > part.version_before)

    def chains(self, part: Partition) -> list[Chain[Told]]:
        """Return what the accounts of a partition told, by the offsets that they knew, in chains."""
        return chains((told.offsets, told) for _, told in self._of(part))

    @staticmethod
    def differences(part: Partition, told: list[Told]) -> list[str]:
        """Return where a partition that knows as much says something else."""
        found: list[str] = []
        for sent in (each.sent for each in told):
            row = part.index.get(sent.account.encode())
            belongs = row is not None and part.linking.person(row) == sent.user
            if belongs != sent.linked:
                found.append(f"{sent.account}: tells {sent.user} linked={sent.linked}, the log says {belongs}")
            elif row is not None and belongs:
                found += _differences(sent, contributions(part, np.array([row]), sent.time, sent.as_of)[row][-1])
        return found

    def disagreements(self, part: Partition) -> list[Disagreement]:
        """Return whom the accounts of a partition that knows the whole log should have told something else."""
        found: list[Disagreement] = []
        silent = {row: person for row in part.linking.accounts if (person := part.linking.person(row)) is not None}
        for row, told in self._of(part):
            sent, person = told.sent, part.linking.person(row)
            if not sent.linked:
                continue
            if sent.user != person:
                text = f"{sent.account}: {sent.user} does not know that it belongs to {person}"
                found.append(Disagreement(sent.account, sent.version, text))
                continue
            silent.pop(row, None)
            if sent.last != (int(part.last[row]) or None):
                text = f"{sent.account}: {sent.user} does not know of its newest engagement"
                found.append(Disagreement(sent.account, sent.version, text))
        # In a log that began from a snapshot the rows of the persons know what was told before.
        if not part.version_before:
            accounts = ((part.ids[row].decode(), person) for row, person in silent.items())
            found += [
                Disagreement(account, -1, f"{account}: has told {person} nothing") for account, person in accounts
            ]
        return found


def _differences(sent: AccountContribution, truth: AccountContribution) -> list[str]:
    sides = {name: (getattr(sent, name), getattr(truth, name)) for name in _COMPARED}
    found = [(name, said, true) for name, (said, true) in sides.items() if said != true]
    levels = [msgspec.structs.astuple(side.levels) for side in (sent, truth)]
    # The last digit may be rounded differently after sums in another order.
    if not np.allclose(levels[0], levels[1], rtol=0, atol=1.5 * 10**-LEVEL_DIGITS):
        found.append(("levels", levels[0], levels[1]))
    return [f"{sent.account}: tells {sent.user} {name} {said}, the log says {true}" for name, said, true in found]

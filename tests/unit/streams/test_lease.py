"""For how long a worker may write without asking, and what it makes of the answers."""

import asyncio

import pytest

from pipeline.errors import BrokerUnavailableError, MembershipLostError
from pipeline.streams import lease as module
from pipeline.streams.lease import Heard, Lease


class Coordinator:
    """
    Answers what it is told to, one answer after the other, the last one for ever; each takes its time.

    The group forms anew from a time on.
    """

    forms_at = float("inf")

    def __init__(self, *answers: bool | None, takes_s: float = 0.0) -> None:
        self.answers = list(answers)
        self.takes_s = takes_s
        self.asked = 0
        self.heard = Heard()
        self.time = 0.0

    async def ask(self) -> bool | None:
        """Answer."""
        self.asked += 1
        sent, self.time = self.time, self.time + self.takes_s
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer:
            self.heard.member = sent
            if sent < self.forms_at:
                self.heard.at_rest = sent
        return answer

    def lease(self) -> Lease:
        """Return a lease of 3 s, and of 8 s while the group forms anew."""
        return Lease(self.ask, lambda: self.heard, 3.0, 8.0, lambda: self.time)


async def test_while_it_lasts_nobody_asks() -> None:
    """A round writes sixteen times; its fence has asked."""
    coordinator = Coordinator(True)
    lease = coordinator.lease()
    assert await lease.renew() is True
    coordinator.time = 3.0
    await lease.require()
    assert coordinator.asked == 1


async def test_a_lease_that_ran_out_is_renewed() -> None:
    """A long round, not a frozen worker."""
    coordinator = Coordinator(True)
    lease = coordinator.lease()
    await lease.renew()
    coordinator.time = 3.1
    await lease.require()
    coordinator.time = 6.1
    await lease.require()
    assert coordinator.asked == 2


async def test_it_begins_when_the_question_is_asked() -> None:
    """The coordinator may have heard it then, however late its answer comes."""
    coordinator = Coordinator(True, True, False, takes_s=2.0)
    lease = coordinator.lease()
    await lease.renew()
    coordinator.time = 3.5
    await lease.require()
    assert coordinator.asked == 2
    coordinator.time = 6.6
    with pytest.raises(MembershipLostError):
        await lease.require()


async def test_who_was_never_told_has_none() -> None:
    """Nor whoever was told that it is no member."""
    coordinator = Coordinator(None, False)
    lease = coordinator.lease()
    assert await lease.renew() is None
    coordinator.time = 0.1
    with pytest.raises(MembershipLostError):
        await lease.require()


async def test_a_coordinator_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is started again knows its members."""
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    coordinator = Coordinator(True, None, None, True, takes_s=0.5)
    lease = coordinator.lease()
    await lease.renew()
    coordinator.time = 10.0
    await lease.require()
    assert coordinator.asked == 4


async def test_a_coordinator_that_never_answers_ends_the_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is committed; the error says what to do."""
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    coordinator = Coordinator(True, None, takes_s=14.0)
    lease = coordinator.lease()
    await lease.renew()
    coordinator.time = 20.0
    with pytest.raises(BrokerUnavailableError, match="start the worker again"):
        await lease.require()
    assert coordinator.asked == 1 + 5


async def test_heartbeats_of_their_own_renew_it() -> None:
    """The client sends them all the time; nobody asks in between."""
    coordinator = Coordinator(True)
    lease = coordinator.lease()
    await lease.renew()
    for sent in (2.5, 5.0, 7.5):
        coordinator.heard = Heard(sent, sent)
        coordinator.time = sent + 2.0
        await lease.require()
    assert coordinator.asked == 1


async def test_a_group_that_forms_anew_waits_for_so_long_only() -> None:
    """It calls a member what has not joined yet, and goes on without it all the same."""
    coordinator = Coordinator(True)
    lease = coordinator.lease()
    await lease.renew()
    coordinator.forms_at = 1.0
    coordinator.time = 7.9
    await lease.require()
    assert coordinator.asked == 2
    coordinator.time = 8.1
    with pytest.raises(MembershipLostError):
        await lease.require()


async def test_late_answers_of_a_group_at_rest_are_no_reason_to_drop_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would give it back: no rebalance follows. Either one comes in time, or the worker ends with an error."""
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    coordinator = Coordinator(True, takes_s=4.0)
    lease = coordinator.lease()
    await lease.renew()
    with pytest.raises(BrokerUnavailableError):
        await lease.require()
    assert coordinator.asked > 10
    coordinator.takes_s = 1.0
    await lease.require()


async def test_it_is_asked_in_the_loop_of_the_worker() -> None:
    """Whoever writes does so in another thread, and the consumer's is asked from the worker's only."""
    loops: list[asyncio.AbstractEventLoop] = []
    time = 0.0

    async def ask() -> bool:
        loops.append(asyncio.get_running_loop())
        heard.member = heard.at_rest = time
        return True

    heard = Heard()
    lease = Lease(ask, lambda: heard, 3.0, 3.0, lambda: time)
    await lease.renew()
    time = 4.0
    await asyncio.to_thread(lambda: asyncio.run(lease.require()))
    assert loops == [asyncio.get_running_loop()] * 2

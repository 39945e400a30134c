"""Spikes in a partition: what is told of them, in any batches and over a crash."""

import msgspec
import numpy as np
import pytest

from pipeline.state.forgetting import drop_rows, scrub
from pipeline.state.partition import Partition
from schemas import KINDS, Engagement, Spike, Tick
from tests.unit.state.log import DAY, FOREVER, HOUR, MINUTE, NOW, Log, changelog, engagement, restored

BEGAN = NOW - 6 * HOUR
AROUND = (BEGAN - 20 * MINUTE, BEGAN + 40 * MINUTE)
TARGET = "bluesky:target"


def usual(
    *, per_hour: float, days: float = 3.0, until: int = NOW, seed: int = 1, target: str = TARGET
) -> list[Engagement]:
    """Return steady engagement with a user, by many actors."""
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(NOW - int(days * DAY), until, int(per_hour * (until - NOW + days * DAY) / HOUR)))
    return [
        engagement(f"bluesky:reader{i % 997}", target, kind=KINDS[i % 3], time=t, object=f"post{i // 20}")
        for i, t in enumerate(times.tolist())
    ]


def burst(n: int, minutes: float, *, began: int = BEGAN, seed: int = 2, **stamps: int) -> list[Engagement]:
    """Return many likes of one post within minutes."""
    random = np.random.default_rng(seed)
    times = began + np.sort(random.integers(0, int(minutes * MINUTE), n))
    return [
        engagement(f"bluesky:new{seed}-{i}", time=t, object="the post", **stamps) for i, t in enumerate(times.tolist())
    ]


class Live:
    """Folds events as they come, in rounds of so many seconds of event time, and keeps what each round sends."""

    def __init__(self, part: Partition | None = None) -> None:
        self.log = Log()
        self.part = Partition(0, FOREVER) if part is None else part
        self.told: list[Spike] = []

    def add(self, events: list[Engagement | Tick]) -> None:
        """Append events to their topics."""
        for event in events:
            self.log.add(event)

    def round(self) -> list[bytes]:
        """Fold what is new, and return what a round sends."""
        for source in range(len(self.log.offsets)):
            first = int(self.part.positions[source])
            if first < self.log.end(source):
                assert not self.part.fold(source, self.log.run(source, first))
        self.part.settle()
        sent = [record for records in self.part.spikes.take_told().values() for record in records]
        self.told += msgspec.json.decode(b"[" + b",".join(sent) + b"]", type=list[Spike])
        return sent

    def play(self, events: list[Engagement], step_s: int, fine: tuple[int, int] = (0, NOW)) -> "Live":
        """Fold events in the order of their times; before and after what is of interest in rounds of ten minutes."""
        events = sorted(events, key=lambda event: event.time)
        times = np.array([event.time for event in events])
        is_fine = (times >= fine[0]) & (times < fine[1])
        times //= np.where(is_fine, step_s * 1000, 10 * MINUTE)
        cuts = np.flatnonzero(np.diff(times)) + 1
        for part in np.split(np.arange(len(events)), cuts):
            self.add([events[i] for i in part.tolist()])
            self.round()
        return self


def course(told: list[Spike]) -> list[tuple[str, str, int, int]]:
    """Return what happened: id, status, level and when."""
    return [(spike.id, spike.status, spike.level, spike.time) for spike in told]


@pytest.mark.parametrize("per_hour", [0.4, 2])
def test_a_burst_is_one_spike_that_opens_grows_and_closes(per_hour: float) -> None:
    """Sixty likes in three minutes for someone with little else, a small or a large row: told within a minute."""
    live = Live().play(usual(per_hour=per_hour) + burst(60, 3), 1, AROUND)
    opened, *grown, closed = live.told
    assert [spike.status for spike in live.told] == ["open", *["grown"] * len(grown), "closed"]
    assert len({spike.id for spike in live.told}) == 1
    assert opened.id == f"{TARGET}/{opened.began}"
    assert abs(opened.began - BEGAN) < 30_000
    assert 0 < opened.time - BEGAN < MINUTE
    assert (opened.direction, opened.network, opened.authenticity) == ("rise", "bluesky", "organic")
    assert opened.rate >= 10 * opened.baseline
    assert closed.level == len(grown) + 1
    # Of what a large row had before it was watched, little is known.
    assert (60 if per_hour < 1 else 55) <= closed.kinds["like"] <= 62
    assert closed.posts[0].object == "the post"
    assert closed.time > BEGAN + 3 * MINUTE


@pytest.mark.parametrize("step_s", [60, 3600, 20_000])
def test_the_same_log_has_the_same_spikes_in_any_batches(step_s: int) -> None:
    """In rounds of a second about a burst, of a minute, and of hours: identities, levels and times."""
    events = usual(per_hour=90) + burst(150, 4, began=NOW - 20 * HOUR) + burst(400, 30, seed=3)
    one, other = Live().play(events, 1, AROUND).told, Live().play(events, step_s).told
    assert len({spike.id for spike in one}) == 2
    assert course(one) == course(other)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_within_ten_minutes_opens_the_same_spikes(seed: int) -> None:
    """Topics that run apart by minutes: a spike is found all the same, and nothing else is taken for one."""
    random = np.random.default_rng(seed)
    events = usual(per_hour=90, days=4, seed=seed) + burst(150, 4)
    events.sort(key=lambda event: event.time + random.integers(0, 9 * MINUTE))
    live = Live()
    for part in np.array_split(np.arange(len(events)), 300):
        live.add([events[i] for i in part.tolist()])
        live.round()
    assert [spike.status for spike in live.told].count("open") == 1
    assert abs(live.told[0].began - BEGAN) < MINUTE


def test_nobody_spikes_by_being_seen_for_the_first_time() -> None:
    """A user whose history is younger than an hour has no baseline to rise above."""
    assert Live().play(burst(200, 10), 5).told == []


def test_a_busy_account_that_falls_silent_drops_and_comes_back() -> None:
    """Three days of two a minute, then nothing: told within half an hour of the log's time, closed when it is back."""
    silent, back = NOW - 5 * HOUR, NOW - 3 * HOUR
    events = usual(per_hour=120, days=4)
    quiet = [event for event in events if not silent < event.time < back]
    clock = usual(per_hour=60, days=4, target="bluesky:other")
    told = [spike for spike in Live().play(quiet + clock, 30).told if spike.user == TARGET]
    assert [(spike.direction, spike.status) for spike in told if spike.status != "grown"] == [
        ("drop", "open"),
        ("drop", "closed"),
    ]
    assert abs(told[0].began - silent) < 3 * MINUTE
    assert 0 < told[0].time - silent < 45 * MINUTE
    assert 0 <= told[-1].time - back < 10 * MINUTE
    assert told[0].rate == 0
    assert told[0].kinds == {}


def test_a_bought_burst_is_suspicious() -> None:
    """By actors who did hundreds of things that day."""
    live = Live().play(usual(per_hour=2) + burst(60, 3, actor_nth=400), 1, AROUND)
    assert {spike.authenticity for spike in live.told} == {"suspicious"}
    assert "more than 100 things" in live.told[0].reasons[0]


def test_a_crash_tells_the_same_again() -> None:
    """Flushed but not committed: whoever recovers the row sends the same bytes; once committed, nothing."""
    live = Live()
    live.play(usual(per_hour=2, until=BEGAN), 600)
    committed = live.part.positions.copy()
    live.add(burst(60, 3))
    live.part.fold(0, live.log.run(0, int(live.part.positions[0])))
    live.part.settle()
    records = changelog(live.part)
    sent = live.part.spikes.take_told()
    assert sent
    again = restored(records, committed)
    assert list(again.spikes.take_told().values()) == list(sent.values())
    assert restored(records, live.part.positions).spikes.take_told() == {}


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_recovered_partition_goes_on_with_a_spike(cut: float) -> None:
    """Cut anywhere within a burst, the spike keeps its identity, its levels, and what it is made of."""
    before, during = usual(per_hour=30, days=4, until=BEGAN), burst(200, 10)
    whole = Live().play(before + during, 5)
    n = int(len(during) * cut)
    first = Live().play(before + during[:n], 5)
    second = Live(restored(changelog(first.part), first.part.positions))
    second.log = first.log
    second.play(during[n:], 5)
    assert course(first.told + second.told) == course(whole.told)
    assert (first.told + second.told)[-1].kinds == whole.told[-1].kinds


def test_a_forgotten_actor_is_no_part_of_a_spike() -> None:
    """Neither in what is told from then on, nor in the changelog."""
    live = Live().play(usual(per_hour=2, until=BEGAN), 600).play(burst(40, 2), 5)
    row = live.part.index[TARGET.encode()]
    assert scrub(live.part, ["bluesky:new2-39"]).tolist() == [row]
    assert b"bluesky:new2-39" not in b"".join(value for _, value in changelog(live.part))


def test_what_was_told_is_scrubbed_as_long_as_the_changelog_holds_it() -> None:
    """Before the round that sends it, and after it, when the row has no cause to be written again."""
    live, likes = Live().play(usual(per_hour=2, until=BEGAN), 600), burst(60, 3)
    live.play(likes[:30], 5)
    live.add(likes[30:])
    live.part.fold(0, live.log.run(0, int(live.part.positions[0])))
    live.part.settle()
    name = msgspec.json.decode(next(iter(live.part.spikes.told.values()))[0], type=Spike).actors[0].actor
    row = live.part.index[TARGET.encode()]
    # Its end, too: one name may begin another.
    quoted = f'"{name}"'.encode()
    after = restored(changelog(live.part), live.part.positions)
    assert scrub(live.part, [name]).tolist() == [row]
    assert quoted not in b"".join(record for told in live.part.spikes.told.values() for record in told)
    assert quoted not in b"".join(value for _, value in changelog(live.part))
    # Another process recovered the row from what was written before; its round is over.
    after.dirty[:] = False
    assert after.spikes.take_told() == {}
    assert scrub(after, [name]).tolist() == [row]
    assert after.dirty[row]
    assert quoted not in b"".join(value for _, value in changelog(after))
    after.dirty[:] = False
    assert scrub(after, [name]).tolist() == []


def test_a_forgotten_user_leaves_no_spike_and_no_moment() -> None:
    """The row goes with all its sections: nothing of it is written again."""
    live = Live().play(usual(per_hour=90, days=3, until=BEGAN), 600).play(burst(150, 2), 5)
    assert live.part.spikes.spikes.open
    drop_rows(live.part, [TARGET])
    assert not live.part.spikes.spikes.open
    assert live.part.moments.earned(0, NOW // 1000) == {}
    assert list(live.part.spikes.encode(np.arange(len(live.part)))) == []
    assert list(live.part.moments.encode(np.arange(len(live.part)))) == []
    live.round()
    assert live.told[-1].status != "closed"


def test_a_row_without_a_spike_has_no_section() -> None:
    """An engagement now and then costs nothing in the changelog."""
    live = Live().play(usual(per_hour=1, days=2), 3600)
    assert list(live.part.spikes.encode(np.arange(len(live.part)))) == []

"""The state is a function of the log: batches, interleaving, rhythm, order and repetition change nothing."""

import random
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.state import actors, partition
from pipeline.state.partition import Partition
from pipeline.state.sources import IDENTITIES, SOURCES
from schemas import KINDS, Engagement, Post, Profile, Tick
from tests.unit.state.log import DAY, FOREVER, HOUR, NOW, Log, columns, documents, fold, log_of
from tests.unit.state.test_counts import history

Event = Engagement | Post | Profile | Tick

USERS: Final = ("bluesky:a", "twitter:b", "mastodon:c:d@é", "nowhere:x")
ACTORS: Final = (*USERS, *(f"bluesky:actor{i}" for i in range(12)))

TIMES: Final = st.one_of(
    st.integers(NOW - HOUR, NOW), st.integers(NOW - 2 * DAY, NOW), st.integers(NOW - 80 * DAY, NOW + 300_000)
)
"""Within the windows of whatever comes: the last hour, the last days, all of them."""


@st.composite
def engagements(draw: st.DrawFn) -> Engagement:
    """Draw an engagement without an id, with some of the stamps."""
    time = draw(TIMES)
    return Engagement(
        id="-",
        kind=draw(st.sampled_from(KINDS)),
        network="bluesky",
        actor=draw(st.sampled_from(ACTORS)),
        target=draw(st.sampled_from(USERS)),
        time=time,
        object=draw(st.sampled_from([None, "at://1", "at://2"])),
        undo=draw(st.booleans()) and draw(st.booleans()),
        tags=draw(st.sampled_from([None, [], ["a"], ["a", "b"]])),
        actor_score=draw(st.none() | st.integers(0, 200).map(lambda double: double / 2)),
        actor_nth=draw(st.none() | st.integers(0, 300)),
        actor_since=draw(st.none() | st.integers(time - 100 * DAY, time + HOUR)),
        mutual=draw(st.sampled_from([None, False, True])),
    )


@st.composite
def posts(draw: st.DrawFn) -> Post:
    """Draw a post without an id."""
    author, undo = draw(st.sampled_from(USERS)), draw(st.booleans()) and draw(st.booleans())
    return Post(id="-", network="bluesky", author=author, time=draw(TIMES), undo=undo)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Draw a profile that tells of its followers."""
    followers = draw(st.integers(-5, 10**7))
    return Profile(
        user=draw(st.sampled_from(USERS)),
        network="bluesky",
        time=draw(TIMES),
        name=draw(st.none() | st.text(max_size=5)),
        handle=draw(st.none() | st.just("h.example")),
        followers=followers,
    )


def _numbered(events: list[Event]) -> list[Event]:
    """Give every event an id of its own, and undo some of those before by repeating theirs."""
    numbered: list[Event] = []
    for i, event in enumerate(events):
        if isinstance(event, Profile | Tick):
            numbered.append(event)
            continue
        fields = {name: getattr(event, name) for name in event.__struct_fields__} | {"id": f"bluesky:{i}"}
        numbered.append(type(event)(**fields))
        if event.undo and i % 3:
            # The original, too, in whatever order.
            numbered.append(type(event)(**fields | {"undo": False}))
    return numbered


EVENTS: Final = st.lists(
    st.one_of(
        engagements(), engagements(), engagements(), posts(), profiles(), st.builds(Tick, st.just("live"), TIMES)
    ),
    max_size=60,
).map(_numbered)


@dataclass(frozen=True)
class Plan:
    """How a log is read: which topic next, how far, and whether to settle then."""

    steps: list[tuple[int, int, bool]]
    small: int
    sample: int


PLANS: Final = st.builds(
    Plan,
    st.lists(st.tuples(st.integers(0, len(SOURCES) - 1), st.integers(1, 9), st.booleans()), max_size=60),
    small=st.just(5),
    sample=st.just(5),
)


def read(log: Log, plan: Plan, part: Partition | None = None) -> Partition:
    """Fold a log as planned, and what is left of it at the end."""
    part = Partition(0, FOREVER) if part is None else part
    with mock.patch.object(partition, "SMALL_LIMIT", plan.small), mock.patch.object(actors, "SAMPLE", plan.sample):
        for source, n, settle in plan.steps:
            first = int(part.positions[source])
            part.fold(source, log.run(source, first, first + n))
            if settle:
                part.settle()
        fold(log, part)
    return part


def outcome(part: Partition) -> Any:
    """Return everything that a reader sees, and what is counted."""
    return columns(part), documents(part), part.fates.tolist(), part.as_of


def without_versions(part: Partition) -> Any:
    """Return everything that does not depend on the number of records."""
    fields = (
        [name for name in next(iter(documents(part).values())).__struct_fields__ if name != "version"]
        if len(part)
        else []
    )
    return columns(part), [{name: getattr(d, name) for name in fields} for d in documents(part).values()], part.as_of


@given(events=EVENTS, one=PLANS, other=PLANS)
def test_batches_interleaving_and_rhythm_change_nothing(events: list[Event], one: Plan, other: Plan) -> None:
    """G3: the same log gives the same features, scores, documents and fates, however it is read."""
    log = log_of(*events)
    assert outcome(read(log, one)) == outcome(read(log, other))


@given(events=EVENTS, plan=PLANS, seed=st.integers(0, 1 << 30))
def test_the_order_of_events_within_the_windows_changes_nothing(events: list[Event], plan: Plan, seed: int) -> None:
    """G7: any permutation of the log gives the same scores; of profiles with one time the last counts."""
    shuffled = list(events)
    random.Random(seed).shuffle(shuffled)
    held = [event for event in events if isinstance(event, Profile)]
    rest = iter(held)
    shuffled = [next(rest) if isinstance(event, Profile) else event for event in shuffled]
    assert without_versions(read(log_of(*shuffled), plan)) == without_versions(read(log_of(*events), plan))


@given(events=EVENTS, plan=PLANS, again=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=40))
def test_repetition_within_the_horizon_changes_nothing(
    events: list[Event], plan: Plan, again: list[tuple[int, int]]
) -> None:
    """G7: whichever events come twice or more, and wherever, the scores are the same and each repeat has its fate."""
    once = [event for event in events if not isinstance(event, Profile | Tick)]
    repeated = list(once)
    for which, where in again:
        if once:
            repeated.insert(where % (len(repeated) + 1), once[which % len(once)])
    single, several = read(log_of(*once), plan), read(log_of(*repeated), plan)
    assert without_versions(several) == without_versions(single)
    assert several.fates.sum() - single.fates.sum() == len(repeated) - len(once)
    assert several.fates[1] == len(repeated) - len(once)


BAD: Final = (None, b"", b"{", b"[1]", b'{"id":7}', b'{"source":"x","time":%d}' % (NOW + 10**10), b"\xff")


def _no_tombstones(bad: list[tuple[int, bytes | None]]) -> list[tuple[int, bytes | None]]:
    """Leave out identities without a value: they unlink."""
    return [(source, value) for source, value in bad if source != IDENTITIES or value is not None]


@given(
    events=EVENTS,
    plan=PLANS,
    bad=st.lists(st.tuples(st.integers(0, len(SOURCES) - 1), st.sampled_from(BAD)), max_size=9).map(_no_tombstones),
)
def test_every_record_has_one_fate(events: list[Event], plan: Plan, bad: list[tuple[int, bytes | None]]) -> None:
    """G8: applied, duplicate, late, forgotten and dead letters add up to the records, bad ones among them."""
    log = log_of(*events, *events[:5])
    for source, value in bad:
        log.raw(source, b"bluesky:a", value)
    part = read(log, plan)
    assert part.fates.sum() == len(log)
    assert part.fates[4] == len(bad)
    assert part.version == len(log)
    clean = read(log_of(*events, *events[:5]), plan)
    assert without_versions(part) == without_versions(clean)


@given(events=EVENTS, plan=PLANS)
def test_the_version_only_grows_and_scores_keep_their_bounds(events: list[Event], plan: Plan) -> None:
    """G4 and G6 along the way: after every run the version is the sum of the positions, scores in bounds."""
    log = log_of(*events)
    part, before = Partition(0, FOREVER), 0
    for source, n, _ in plan.steps:
        first = int(part.positions[source])
        part.fold(source, log.run(source, first, first + n))
        part.settle()
        assert part.version == part.positions.sum() >= before
        before = part.version
        for document in documents(part).values():
            assert 1.0 <= document.score <= 100.0
            assert document.version == part.version


@settings(max_examples=50)
@given(events=EVENTS, more=engagements())
def test_one_more_engagement_lowers_nobodys_score(events: list[Event], more: Engagement) -> None:
    """G6 through the whole state: whoever engages, however suspicious, takes nothing away. Undone ones aside."""
    given_events = [event for event in events if not getattr(event, "undo", False)]
    fields = {name: getattr(more, name) for name in more.__struct_fields__} | {"id": "bluesky:more", "undo": False}
    now = Tick("live", NOW + 300_000)
    before = documents(fold(log_of(now, *given_events))[0])
    after = documents(fold(log_of(now, *given_events, Engagement(**fields)))[0])
    for user, document in before.items():
        assert after[user].score >= document.score


@pytest.mark.parametrize("seed", range(3))
def test_a_long_log_is_the_same_in_any_batches(seed: int) -> None:
    """Thousands of events with the real limits: no cut, no interleaving and no rhythm shows."""
    log = log_of(*history(4_000, seed, actors=2_000))
    rng = random.Random(seed)
    outcomes = []
    for size in (7, 400, 10_000):
        steps = [(rng.randrange(5), rng.randrange(1, size), rng.random() < 0.3) for _ in range(120)]
        outcomes.append(outcome(read(log, Plan(steps, partition.SMALL_LIMIT, actors.SAMPLE))))
    assert outcomes[0] == outcomes[1] == outcomes[2]

"""Counts, engagers and faded sums, against a model in plain Python: in both tiers, with undo, in any order."""

import random
from unittest import mock

import numpy as np
import pytest

from pipeline.scoring.windows import Windows
from pipeline.state import partition
from pipeline.state.partition import APPLIED, DUPLICATE, LATE, SMALL_LIMIT, Partition, StateConfig
from pipeline.state.records import Records
from schemas import KINDS, Counts, Engagement, Post, Tick
from tests.unit.state.log import (
    DAY,
    FOREVER,
    HOUR,
    MINUTE,
    NOW,
    all_rows,
    columns,
    crowd,
    document,
    documents,
    engagement,
    features_of,
    fold,
    folded,
    log_of,
    post,
    profile,
)
from tests.unit.state.model import Model

USERS = ("bluesky:target", "twitter:b", "mastodon:c:d", "nowhere:é☃")


def history(n: int, seed: int, actors: int = 40) -> list[Engagement | Post]:
    """Return a history with undo before and after, repeats, own likes, and stamps or none."""
    rng = random.Random(seed)
    events: list[Engagement | Post] = []
    for i in range(n):
        target = rng.choice(USERS)
        time = NOW - rng.choice([rng.randrange(2 * HOUR), rng.randrange(2 * DAY), rng.randrange(82 * DAY)])
        if rng.random() < 0.15:
            events.append(post(target, id=f"p{i}", time=time))
        else:
            actor = target if rng.random() < 0.05 else f"bluesky:a{rng.randrange(actors)}"
            events.append(
                engagement(
                    actor,
                    target,
                    id=f"e{i}",
                    kind=rng.choice(KINDS),
                    time=time,
                    actor_score=rng.choice([None, rng.randrange(201) / 2]),
                    actor_nth=rng.choice([None, rng.randrange(9), rng.randrange(300)]),
                    actor_since=rng.choice([None, time - rng.randrange(100 * DAY), time + HOUR]),
                    mutual=rng.choice([None, True, False]),
                )
            )
        chance = rng.random()
        if chance < 0.2:
            events.append(_undone(events[-1]))
        elif chance < 0.3:
            # Of an original that nobody ever saw.
            events[-1] = _undone(events[-1])
        elif chance < 0.4:
            events.append(events[-1])
    rng.shuffle(events)
    return events


def _undone(event: Engagement | Post) -> Engagement | Post:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**fields | {"undo": True})


def model_of(events: list[Engagement | Post]) -> Model:
    """Return what the events make of the model."""
    model = Model()
    for event in events:
        model.add(event)
    return model


def check(part: Partition, model: Model) -> None:
    """Compare every row with the model."""
    seen = features_of(part)
    for place, row in enumerate(all_rows(part).tolist()):
        user = part.ids[row].decode()
        assert seen.counts[place].tolist() == model.counts(user), user
        assert seen.engagers[place] == model.engagers(user), user
        assert seen.top[place] == model.top(user), user
        assert seen.discounted[place].tolist() == model.discounted(user), user
        assert seen.posts[place].tolist() == model.posts(user), user
        assert seen.worth[place].tolist() == model.worth(user), user
        assert seen.reach[place].tolist() == model.reach(user), user


@pytest.mark.parametrize("limit", [0, 8, 10_000])
@pytest.mark.parametrize("n", [1, 30, 300])
def test_a_row_is_the_sum_of_its_events_in_either_tier(n: int, limit: int) -> None:
    """Every feature of rows that are all small, all large or grew, against plain lists."""
    for seed in range(3):
        events = history(n, seed)
        with mock.patch.object(partition, "SMALL_LIMIT", limit):
            part, refusals = fold(log_of(*events), step=13, settle=True)
        assert not refusals
        check(part, model_of(events))


def test_far_above_the_limit_the_counts_stay_exact() -> None:
    """Ten thousand events on four rows; few actors, so that the actors are exact, too."""
    events = history(10_000, 5, actors=60)
    part, _ = fold(log_of(*events), step=1_000)
    assert (part.large[: len(part)] >= 0).all()
    check(part, model_of(events))


@pytest.mark.parametrize("days", [0.01, 0.5, 3, 20, 80, 100])
def test_time_that_passes_moves_the_windows_on(days: float) -> None:
    """A tick is enough: what left a window is counted no more, slice by slice."""
    events = history(300, 9)
    later = NOW + int(days * DAY)
    for limit in (0, 10_000):
        with mock.patch.object(partition, "SMALL_LIMIT", limit):
            log = log_of(*events)
            log.add(Tick("live", later), timestamp=later)
            part, _ = fold(log)
        model = model_of(events)
        model.as_of = later
        check(part, model)


@pytest.mark.parametrize("days", [0.01, 0.5, 3, 20, 80, 100, 1_000])
def test_features_as_of_a_later_moment_are_those_of_a_tick(days: float) -> None:
    """Asking for a later moment changes nothing and says what a tick at that moment would."""
    events = [*crowd(300, days=80), *crowd(5, target="bluesky:small"), *[post(time=NOW - i * DAY) for i in range(60)]]
    later = NOW + int(days * DAY)
    log = log_of(*events)
    part, _ = fold(log)
    before = columns(part)
    asked, asked_documents = columns(part, later), documents(part, later)
    assert columns(part) == before
    log.add(Tick("live", later), timestamp=later)
    fold(log, part)
    assert asked == columns(part)
    versions = {user: d.version for user, d in documents(part).items()}
    for user, seen in documents(part).items():
        fields = {name: getattr(seen, name) for name in seen.__struct_fields__ if name != "version"}
        assert fields == {name: getattr(asked_documents[user], name) for name in fields}
        assert versions[user] == asked_documents[user].version + 1


@pytest.mark.parametrize("n", [3, SMALL_LIMIT, SMALL_LIMIT + 1, 100])
def test_an_undo_takes_back_what_was_counted_and_not_who_engaged(n: int) -> None:
    """The counts are 0 again; the engagers remain; nothing is below 0."""
    events = crowd(n)
    part = folded(*events, *map(_undone, events))
    assert columns(part)["counts"] == [[[0] * 4] * 4]
    assert columns(part)["worth"] == [[0.0] * 3]
    assert columns(part)["engagers"] == [n]
    assert document(part).score >= 1.0


@pytest.mark.parametrize("n", [3, SMALL_LIMIT, 100])
def test_an_undo_before_its_original_gives_the_same(n: int) -> None:
    """Topics of the log don't wait for each other, and neither do an undo and what it withdraws."""
    events = crowd(n)
    undone = list(map(_undone, events[: n // 2 + 1]))
    after = columns(folded(*events, *undone))
    assert columns(folded(*undone, *events)) == after
    mixed = [*events, *undone]
    random.Random(1).shuffle(mixed)
    assert columns(folded(*mixed)) == after


@pytest.mark.parametrize("n", [1, 20, 100])
def test_an_undo_of_what_nobody_saw_is_never_below_zero(n: int) -> None:
    """Only undos: 0, as if nothing had happened, and the score is a score."""
    part = folded(*map(_undone, crowd(n)), *[_undone(post()) for _ in range(n)])
    seen = columns(part)
    assert seen["counts"] == [[[0] * 4] * 4]
    assert seen["posts"] == seen["worth"] == [[0.0] * 3]
    assert seen["engagers"] == [0]
    assert document(part).score == 1.0


def test_a_withdrawn_event_outweighs_no_other_kind_or_window() -> None:
    """An unlike of last week takes nothing from today's likes nor from shares."""
    part = folded(
        engagement(id="a"),
        engagement(kind="share", id="b"),
        _undone(engagement(id="c", time=NOW - 3 * DAY)),
        Tick("t", NOW),
    )
    seen = document(part).engagement
    assert (seen.hour, seen.day) == (Counts(1, 1, 0, 0), Counts(1, 1, 0, 0))
    assert (seen.week, seen.quarter) == (Counts(0, 1, 0, 0), Counts(0, 1, 0, 0))


def test_the_same_id_in_two_topics_is_two_events() -> None:
    """Kinds have topics of their own, and so do ids."""
    part = folded(*[engagement(id="same", kind=kind) for kind in KINDS], post(id="same"))
    assert document(part).engagement.hour == Counts(1, 1, 1, 1)


def test_a_repeated_id_counts_once() -> None:
    """In one run or in two, and the fate says so."""
    event = engagement()
    for step in (1, 10):
        part, _ = fold(log_of(*[event] * 5), step=step)
        assert document(part).engagement.hour.likes == 1
        assert part.fates[DUPLICATE] == 4


def test_an_event_older_than_every_window_is_late() -> None:
    """Counted nowhere, but counted among the fates."""
    part = folded(engagement(), engagement(time=NOW - 91 * DAY))
    assert document(part).engagement.quarter.likes == 1
    assert (part.fates[APPLIED], part.fates[LATE], part.fates.sum()) == (1, 1, 2)


def test_the_newest_engagement_does_not_depend_on_whether_it_was_late() -> None:
    """An event past the windows is the same to the document before and after time moved on."""
    old, tick = engagement(time=NOW - 95 * DAY), Tick("t", NOW)
    first, _ = fold(log_of(old, tick))
    log = log_of(old, tick)
    second = Partition(0, FOREVER)
    second.fold(6, log.run(6, 0))
    fold(log, second)
    assert documents(first) == documents(second)


def test_a_late_event_within_a_window_counts_in_its_own_slice() -> None:
    """Two hours late: in the day, not in the hour."""
    part = folded(Tick("t", NOW), engagement(time=NOW - 2 * HOUR))
    seen = document(part).engagement
    assert (seen.hour.likes, seen.day.likes) == (0, 1)


@pytest.mark.parametrize("ahead", [301_000, HOUR, 365 * DAY])
def test_a_time_in_the_future_ages_nobody(ahead: int) -> None:
    """It is refused, and everyone's windows stay where they are."""
    events = crowd(100)
    log = log_of(*events)
    before = columns(fold(log)[0])
    log.add(engagement(time=NOW + ahead))
    log.add(post(time=NOW + ahead))
    log.add(Tick("wrong", NOW + ahead))
    log.add(profile(time=NOW + ahead, followers=3))
    part, refusals = fold(log)
    assert [refusal.reason for refusal in refusals] == ["future_time"] * 4
    assert columns(part) == before
    assert part.as_of == max(event.time for event in events)


def test_up_to_five_minutes_ahead_are_a_clocks_error() -> None:
    """Exactly the limit is taken, a millisecond more is not."""
    _, refusals = fold(log_of(engagement(time=NOW + 5 * MINUTE), engagement(time=NOW + 5 * MINUTE + 1)))
    assert [refusal.offset for refusal in refusals] == [1]


def test_windows_are_settings_of_the_score() -> None:
    """A deployment with windows a tenth as long counts in these."""
    config = StateConfig(windows=Windows().scaled(0.1), dedupe_seconds=10**9)
    events = [engagement(time=NOW - minutes * MINUTE) for minutes in (0, 3, 8, 100)]
    part, _ = fold(log_of(*events), Partition(0, config))
    seen = document(part).engagement
    assert (seen.hour.likes, seen.day.likes) == (2, 4)


# -- profiles


def test_the_newest_profile_counts() -> None:
    """By its own time, whatever the order."""
    old, new = profile(time=NOW - DAY, name="old", followers=1), profile(name="new", followers=2)
    for events in ((old, new), (new, old)):
        part = folded(*events)
        assert document(part).name == "new"
        assert columns(part)["followers"] == [2]
    assert part.fates[LATE] == 1


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(
            (0, 1),
        ),
        (1, 0),
    ],
)
def test_a_profile_that_says_nothing_of_followers_forgets_them(order: tuple[int, int]) -> None:
    """The newest profile counts as a whole: otherwise a restart, which knows only it, would score differently."""
    profiles = [profile(time=NOW - DAY, followers=5_000), profile(name="x")]
    part = folded(*[profiles[i] for i in order])
    assert columns(part)["followers"] == [-1]


@pytest.mark.parametrize("followers", [-(1 << 80), -1, 0, 1 << 62, 1 << 80, 10**400])
def test_absurd_followers_still_give_a_score(followers: int) -> None:
    """A profile may say anything: the score is within its bounds."""
    log = log_of(engagement())
    log.raw(5, b"bluesky:target", b'{"user":"bluesky:target","network":"bluesky","time":1,"followers":%d}' % followers)
    part, _ = fold(log)
    assert 1.0 <= document(part).score <= 100.0


def test_without_a_profile_the_native_id_is_the_handle() -> None:
    """Everything after the first colon."""
    assert document(folded(engagement(target="mastodon:a@b:c")), "mastodon:a@b:c").handle == "a@b:c"
    assert document(folded(engagement(), profile(handle="h.example"))).handle == "h.example"


def test_engaging_with_oneself_reaches_nobody() -> None:
    """Counted, worth nothing, no engager."""
    part = folded(*[engagement("bluesky:target") for _ in range(50)])
    seen = columns(part)
    assert seen["counts"][0][0][0] == 50
    assert seen["worth"] == seen["reach"] == [[0.0] * 3]
    assert seen["engagers"] == [0]


def test_a_run_that_leaves_a_gap_is_refused_whole() -> None:
    """The state is as before, so that the partition can be sought back."""
    log = log_of(*crowd(10, seed=4))
    part, _ = fold(log)
    before, version = columns(part), part.version
    with pytest.raises(ValueError, match="begin at 99"):
        part.fold(0, log_of(*[engagement() for _ in range(120)]).run(0, 99))
    assert (columns(part), part.version) == (before, version)


def test_compaction_and_markers_leave_holes_that_are_no_gaps() -> None:
    """A run covers its positions, whichever records are left of them."""
    part = Partition(0, FOREVER)
    event = log_of(engagement()).run(0, 0)
    part.fold(0, Records.of(0, 10, [4], event.timestamps, event.keys, event.values))
    part.fold(0, Records.of(10, 15, [], [], [], []))
    part.settle()
    assert part.positions[0] == 15
    assert part.version == 15
    assert document(part).engagement.hour.likes == 1
    assert np.array_equal(part.fates, [1, 0, 0, 0, 0])


def test_repeats_alone_take_no_memory() -> None:
    """An agent that begins an hour back on a quiet partition sends nothing else, for long."""
    once = [engagement(f"bluesky:a{i}") for i in range(20)]
    log = log_of(*once)
    part, _ = fold(log, settle=True)
    for event in once * 50:
        log.add(event)
    fold(log, part, step=20, settle=True)
    assert part.fates[DUPLICATE] == len(once) * 50
    assert (part._said, len(part._gathered._kinds)) == ([], 0)

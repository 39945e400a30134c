"""Synthetic traffic is like that of real networks, and the same for the same seed."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.synthetic import SyntheticConfig, generate
from pipeline.errors import ConfigError
from pipeline.topics import DAY_MS
from schemas import Engagement, Post, Profile, is_user_id, network_of

NOW = 1_800_000_000_000


def records(**changes: object) -> list[Engagement | Post | Profile]:
    """Return all records of a configuration."""
    values: dict[str, object] = {"users": 2_000, "events": 20_000, "start_ms": NOW, **changes}
    return list(chain.from_iterable(generate(SyntheticConfig(**values))))  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None)
@given(users=st.integers(50, 3_000), events=st.integers(0, 20_000), seed=st.integers(0, 2**32))
def test_any_traffic_keeps_the_contract(users: int, events: int, seed: int) -> None:
    """As many records as asked for; ids with a network; nobody engages with oneself or across networks."""
    made = records(users=users, events=events, seed=seed)
    assert len(made) == events
    for record in made:
        assert 0 <= record.time <= NOW + 60_000
        if isinstance(record, Engagement):
            assert is_user_id(record.actor)
            assert record.actor != record.target
            assert network_of(record.actor) == network_of(record.target) == record.network
            assert (record.object is None) == (record.kind == "follow")


def test_the_same_seed_gives_the_same_traffic_and_another_one_another() -> None:
    """A benchmark is repeated on the same records."""
    assert records(seed=1) == records(seed=1)
    assert records(seed=1) != records(seed=2)


def test_ids_repeat_only_where_events_do() -> None:
    """A repeat is the same record, an undo the same but for `undo`; each id is undone once."""
    engagements = [record for record in records(events=60_000) if isinstance(record, Engagement)]
    undone = Counter(record.id for record in engagements if record.undo)
    repeated = Counter(record.id for record in engagements if not record.undo)
    assert len(undone) > 50
    assert set(undone.values()) == {1}
    assert undone.keys() <= repeated.keys()
    assert 50 < sum(count > 1 for count in repeated.values()) < len(engagements) // 50
    assert len({record.id: record for record in engagements if not record.undo}) == len(
        set(map(str, engagements))
    ) - len(undone)


def test_popularity_has_a_heavy_tail() -> None:
    """A few receive thousands, most a handful; several networks and every kind are there."""
    engagements = [record for record in records(events=60_000) if isinstance(record, Engagement)]
    received = sorted(Counter(record.target for record in engagements).values(), reverse=True)
    assert received[0] > 100 * received[len(received) // 2]
    assert len({record.network for record in engagements}) == 5
    assert {record.kind for record in engagements} == {"like", "share", "comment", "follow"}


def test_there_are_posts_profiles_late_events_and_bots() -> None:
    """Everything that a pipeline must cope with happens."""
    made = records(events=60_000)
    kinds = Counter(type(record) for record in made)
    assert kinds[Post] > 1_000
    assert kinds[Profile] > 500
    engagements = [record for record in made if isinstance(record, Engagement)]
    reached = late = 0
    for record in engagements:
        late += record.time < reached - 60_000
        reached = max(reached, record.time)
    assert len(engagements) / 300 < late < len(engagements) / 30
    busiest = Counter(record.actor for record in engagements).most_common(1)[0][1]
    assert busiest > 50


def test_a_profile_comes_once_and_the_most_popular_first() -> None:
    """Names and followers are there when the scores get interesting."""
    profiles = [record for record in records(events=60_000) if isinstance(record, Profile)]
    assert len({profile.user for profile in profiles}) == len(profiles)
    followers = [profile.followers or 0 for profile in profiles]
    assert sum(followers[:100]) > 5 * sum(followers[-100:])
    assert all(profile.handle and profile.name for profile in profiles)


def test_a_spread_history_ends_now() -> None:
    """Events fall evenly on the days before."""
    times = [record.time for record in records(spread_days=30)]
    assert NOW - 31 * DAY_MS < min(times) < NOW - 29 * DAY_MS
    assert NOW - DAY_MS < max(times) <= NOW


def test_a_spread_without_a_number_of_events_is_refused() -> None:
    """There is no telling how densely to spread them."""
    with pytest.raises(ConfigError, match="--events"):
        next(generate(SyntheticConfig(spread_days=3)))


def test_too_few_users_are_refused() -> None:
    """Every network needs some."""
    with pytest.raises(ConfigError, match="--users 3: 50 at least"):
        records(users=3)

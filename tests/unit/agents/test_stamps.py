"""Stamps: what is known of an actor, asked once, counted once."""

from typing import cast

from agents.actors import Answer, Question
from agents.protocol import Item
from agents.stamps import Stamper
from pipeline.errors import StoreUnavailableError
from pipeline.topics import DAY_MS
from schemas import Engagement, Post
from tests.unit.agents.samples import like

NOON = 20_000 * DAY_MS + DAY_MS // 2


class Store:
    """The actors in memory, as the Redis script has them."""

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}
        self.since: dict[str, int] = {}
        self.actions: dict[tuple[str, int], int] = {}
        self.influencers: set[tuple[str, str]] = set()
        self.questions: list[Question] = []
        self.away = False
        self.closed = False

    async def ask(self, question: Question) -> Answer:
        """Answer as Redis would."""
        if self.away:
            raise StoreUnavailableError("away")
        self.questions.append(question)
        answer = Answer()
        for actor, time in question.actors.items():
            self.since[actor] = min(time, self.since.get(actor, time))
            answer.since[actor] = self.since[actor]
            answer.scores[actor] = self.scores.get(actor)
        for key, count in question.actions.items():
            answer.actions[key] = self.actions[key] = self.actions.get(key, 0) + count
        answer.mutual = {pair: pair in self.influencers for pair in question.pairs}
        return answer

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        """Return the time."""
        return self.now


async def stamp(stamper: Stamper, *events: Engagement) -> list[Engagement]:
    """Stamp engagements."""
    return cast("list[Engagement]", await stamper.stamp(events))


async def test_an_engagement_gets_what_the_store_knows() -> None:
    """Score, action of the day, first seen, and whether the target engages with the actor."""
    store = Store()
    store.scores["n:a"] = 43.2
    store.since["n:a"] = 5
    store.actions["n:a", NOON // DAY_MS] = 17
    store.influencers.add(("n:t", "n:a"))
    (event,) = await stamp(Stamper(store), like(time=NOON))
    assert (event.actor_score, event.actor_nth, event.actor_since, event.mutual) == (43.2, 17, 5, True)


async def test_an_unknown_actor_has_no_score_and_is_first_seen_now() -> None:
    """The first action of the day comes after none."""
    (event,) = await stamp(Stamper(Store()), like(time=NOON))
    assert (event.actor_score, event.actor_nth, event.actor_since, event.mutual) == (None, 0, NOON, False)


async def test_actions_are_counted_within_a_batch_and_across_batches() -> None:
    """Each UTC day of an actor has a count of its own."""
    store = Store()
    stamper = Stamper(store, clock=Time())
    first = await stamp(stamper, *(like(n, time=NOON) for n in range(3)), like(9, time=NOON - DAY_MS))
    second = await stamp(stamper, *(like(n, time=NOON) for n in range(3, 5)))
    assert [event.actor_nth for event in (*first, *second)] == [0, 1, 2, 0, 3, 4]


async def test_counts_reach_the_store_once() -> None:
    """Cached counts are written back now and then, and when the agent ends."""
    store, time = Store(), Time()
    stamper = Stamper(store, clock=time)
    for n in range(10):
        await stamp(stamper, like(n, time=NOON))
        time.now += 300
    await stamper.close()
    assert store.actions == {("n:a", NOON // DAY_MS): 10}
    assert store.closed


async def test_what_another_agent_counted_is_taken_over() -> None:
    """The store's count is the sum of all agents'."""
    store, time = Store(), Time()
    stamper = Stamper(store, clock=time)
    await stamp(stamper, like(1, time=NOON))
    store.actions["n:a", NOON // DAY_MS] += 100
    time.now += 5_000
    await stamp(stamper, like(2, time=NOON))
    (event,) = await stamp(stamper, like(3, time=NOON))
    assert event.actor_nth == 102


async def test_a_hot_actor_costs_no_round_trip() -> None:
    """What was asked a moment ago is not asked again."""
    store, time = Store(), Time()
    stamper = Stamper(store, clock=time)
    await stamp(stamper, like(1, time=NOON))
    await stamp(stamper, like(2, time=NOON))
    assert len(store.questions) == 1
    time.now += 31_000
    store.scores["n:a"] = 50.0
    (event,) = await stamp(stamper, like(3, time=NOON))
    assert event.actor_score == 50.0


async def test_without_the_store_an_engagement_goes_out_with_what_is_cached() -> None:
    """Nothing is made up: an actor must not look new because Redis is away."""
    store, time = Store(), Time()
    store.scores["n:a"] = 43.2
    stamper = Stamper(store, clock=time)
    await stamp(stamper, like(1, time=NOON))
    store.away, time.now = True, NOON + 60_000
    known, unknown = await stamp(stamper, like(2, time=NOON), like(3, time=NOON, actor="n:new"))
    assert (known.actor_score, known.actor_nth) == (43.2, 1)
    assert (unknown.actor_score, unknown.actor_nth, unknown.actor_since, unknown.mutual) == (None, None, None, None)


async def test_counts_made_while_the_store_was_away_are_not_lost() -> None:
    """They are written when it answers again, after a pause."""
    store, time = Store(), Time()
    store.away = True
    stamper = Stamper(store, clock=time)
    await stamp(stamper, like(1, time=NOON), like(2, time=NOON))
    store.away = False
    await stamp(stamper, like(3, time=NOON))
    assert not store.questions, "not asked again at once"
    time.now += 2_000
    (event,) = await stamp(stamper, like(4, time=NOON))
    assert event.actor_nth == 3
    assert store.actions == {("n:a", NOON // DAY_MS): 4}


async def test_undos_posts_and_stamps_that_are_there_stay_as_they_are() -> None:
    """An undo is no action of its own; stamps of a recording are kept."""
    store = Store()
    items: list[Item] = [
        like(1, undo=True),
        Post(id="n:p", network="n", author="n:a", time=NOON),
        like(2, actor_score=9.0),
    ]
    undo, same, stamped = await Stamper(store).stamp(items)
    assert [undo, same] == items[:2]
    assert isinstance(stamped, Engagement)
    assert stamped.actor_score == 9.0
    assert sum(store.actions.values()) == 1


async def test_the_cache_is_bounded() -> None:
    """A flood of actors forgets the oldest ones."""
    stamper = Stamper(Store(), limit=100)
    for n in range(50):
        await stamp(stamper, *(like(n, actor=f"n:{n}-{i}") for i in range(20)))
    assert max(len(stamper._actors), len(stamper._actions), len(stamper._mutual)) <= 120

"""Evidence: who stands behind a score. It may leave out, never invent."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from pipeline.state.details import details_documents
from pipeline.state.evidence import ITEMS, Evidence
from pipeline.state.partition import SMALL_LIMIT, Partition
from pipeline.state.view import features
from schemas import Details, Engagement
from tests.unit.state.log import FOREVER, engagement, fold, folded, log_of, post


def details(part: Partition, user: bytes = b"bluesky:target") -> Details:
    """Return the details of one row."""
    rows = np.array([part.index[user]])
    return details_documents(part, rows, features(part, rows), 0)[0]


def actors_of(part: Partition) -> dict[str, int]:
    """Return the actors that the details show, with their counts."""
    return {top.actor: top.count for top in details(part).actors}


def zipf(n: int, seed: int = 1) -> list[Engagement]:
    """Return engagements by actors of whom few engage often and most once."""
    rng = np.random.default_rng(seed)
    who = rng.zipf(1.7, n) % 10_000
    what = rng.zipf(1.5, n) % 300
    return [
        engagement(f"bluesky:a{a}", object=f"at://post/{o}", tags=[f"t{o % 7}", "all"])
        for a, o in zip(who.tolist(), what.tolist(), strict=True)
    ]


def test_a_small_row_lists_exact_counts() -> None:
    """Actors, posts and tags as often as they occur, the most frequent first, then by name."""
    events = [engagement(f"bluesky:{name}", object=f"at://{name}", tags=[name, "x"]) for name in "abacabz"]
    seen = details(folded(*events, engagement("bluesky:q")))
    assert [(top.actor, top.count) for top in seen.actors] == [
        ("bluesky:a", 3),
        ("bluesky:b", 2),
        ("bluesky:c", 1),
        ("bluesky:q", 1),
        ("bluesky:z", 1),
    ]
    assert [(top.object, top.count) for top in seen.posts[:2]] == [("at://a", 3), ("at://b", 2)]
    assert [(top.tag, top.count) for top in seen.tags[:2]] == [("x", 7), ("a", 3)]


@pytest.mark.parametrize("step", [1, 17, 400, 5_000])
def test_a_large_row_lists_only_what_is_certain(step: int) -> None:
    """Never more than the truth, whatever the batches."""
    events = zipf(3_000)
    part, _ = fold(log_of(*events), step=step, settle=True)
    seen = details(part)
    actors = Counter(event.actor for event in events)
    posts = Counter(event.object for event in events)
    tags = Counter(tag for event in events for tag in event.tags or ())
    assert all(0 < top.count <= actors[top.actor] for top in seen.actors)
    assert all(0 < top.count <= posts[top.object] for top in seen.posts)
    assert all(0 < top.count <= tags[top.tag] for top in seen.tags)
    assert [top.count for top in seen.actors] == sorted((top.count for top in seen.actors), reverse=True)


@pytest.mark.parametrize("step", [1, 50, 10_000])
def test_a_dominating_actor_is_found(step: int) -> None:
    """One in three engagements by one actor among thousands: the first of the list."""
    rng = np.random.default_rng(3)
    events = [engagement("bluesky:fan" if rng.random() < 0.33 else f"bluesky:a{i}") for i in range(3_000)]
    part, _ = fold(log_of(*events), step=step, settle=True)
    assert details(part).actors[0].actor == "bluesky:fan"


def test_the_evidence_of_a_row_that_grew_keeps_what_it_had() -> None:
    """Up to the limit exact, and so at the moment it is passed."""
    events = [engagement(f"bluesky:a{i % 11}") for i in range(SMALL_LIMIT + 1)]
    part, _ = fold(log_of(*events), step=1, settle=True)
    assert part.large[0] >= 0
    assert actors_of(part) == dict(sorted(Counter(e.actor for e in events).items(), key=lambda i: (-i[1], i[0]))[:10])


def test_an_undo_is_no_further_engagement() -> None:
    """Who engaged once and took it back has not engaged twice."""
    events = [engagement(f"bluesky:a{i}", id=f"bluesky:{i}") for i in range(4)]
    events += [engagement(f"bluesky:a{i}", id=f"bluesky:{i}", undo=True) for i in range(4)]
    part, _ = fold(log_of(*events), step=3, settle=True)
    assert max(actors_of(part).values()) == 1


@pytest.mark.parametrize("n", [3, 200])
def test_separators_within_ids_break_nothing(n: int) -> None:
    """Tabs, newlines and control characters in ids leave the counts of all others as they are."""
    odd: dict[str, Any] = {"object": "at://x\ny\tz", "tags": ["a\tb"]}
    events = [engagement("bluesky:plain", object="at://plain") for _ in range(n)]
    part = folded(*events, engagement("bluesky:o\td\nd", **odd))
    assert actors_of(part)["bluesky:plain"] <= n
    assert details(part).posts[0].object == "at://plain"


@pytest.mark.parametrize("n", [3, 200])
def test_a_tag_with_a_comma_is_one_tag(n: int) -> None:
    """Topics are called as their networks call them."""
    part = folded(*[engagement(tags=["food, drink"]) for _ in range(n)])
    assert [top.tag for top in details(part).tags] == ["food, drink"]


def test_a_post_is_no_evidence() -> None:
    """Only engagement stands behind a score."""
    part = folded(engagement("bluesky:a"), *[post() for _ in range(50)])
    assert actors_of(part) == {"bluesky:a": 1}


def round_trip(part: Partition) -> None:
    """Compare the evidence of a large row with what its own text says."""
    evidence = part.evidence[0]
    back = Evidence.decode(evidence.encode())
    assert back.encode() == evidence.encode()
    assert [back.top(sort, ITEMS) for sort in range(3)] == [evidence.top(sort, ITEMS) for sort in range(3)]


def test_evidence_survives_its_own_text() -> None:
    """What `encode` writes `decode` reads, with what was inherited."""
    part, _ = fold(log_of(*zipf(500)), step=50, settle=True)
    assert any(part.evidence[0].inherited)
    round_trip(part)


@pytest.mark.parametrize("odd", ["\n", "x\n", "0\t1\n2\t3", "\r\n"])
def test_evidence_with_a_newline_survives_its_own_text(odd: str) -> None:
    """Whatever the items hold: one like must not stop every worker that restores the row."""
    fans = [engagement(f"bluesky:{i % 3}") for i in range(2 * SMALL_LIMIT)]
    part, _ = fold(log_of(*fans, *[engagement(f"n:{odd}", object=odd, tags=[odd])] * 3), step=1, settle=True)
    assert part.large[0] >= 0
    round_trip(part)


def test_evidence_never_changes_a_score() -> None:
    """The same events with other posts and tags score the same."""
    ids = [f"bluesky:{i}" for i in range(100)]
    plain = folded(*[engagement(f"bluesky:a{i}", id=ids[i]) for i in range(100)], config=FOREVER)
    tagged = folded(*[engagement(f"bluesky:a{i}", id=ids[i], object=f"at://{i}", tags=["x"]) for i in range(100)])
    rows = np.arange(1)
    assert features(plain, rows).reach.tolist() == features(tagged, rows).reach.tolist()
    assert features(plain, rows).worth.tolist() == features(tagged, rows).worth.tolist()

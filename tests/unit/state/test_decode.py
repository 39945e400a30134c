"""Bad input becomes a refusal with its reason and its untouched bytes; what lies beside it counts."""

import json
from typing import Any

import pytest

from pipeline.state.partition import DEAD, Partition, StateConfig
from pipeline.state.sources import SOURCE_OF
from schemas import Reason, Tick
from tests.unit.state.log import (
    FOREVER,
    NOW,
    Log,
    columns,
    document,
    documents,
    engagement,
    fold,
    folded,
    log_of,
    post,
    profile,
)

KEY = b"bluesky:target"


def value(**fields: Any) -> bytes:
    """Return an engagement's JSON with other fields; None leaves one out."""
    good = {
        "id": "bluesky:bad",
        "kind": "like",
        "network": "bluesky",
        "actor": "bluesky:a",
        "target": "bluesky:target",
        "time": NOW,
    }
    return json.dumps({k: v for k, v in (good | fields).items() if v is not None}).encode()


def without_quotes(name: str, literal: str) -> bytes:
    """Return an engagement with a number written as `literal`."""
    return value(**{name: "@"}).replace(b'"@"', literal.encode())


NEST = 100_000

BAD: list[tuple[str, bytes | None, Reason]] = [
    ("truncated", value()[:40], "invalid_json"),
    ("empty", b"", "invalid_json"),
    ("no JSON", b"like bluesky:a", "invalid_json"),
    ("two documents", value() + value(), "invalid_json"),
    ("a comma too many", value()[:-1] + b",}", "invalid_json"),
    ("invalid UTF-8 in an id", value().replace(b"bluesky:a", b"bluesky:\xff\xfe"), "invalid_json"),
    ("an overlong slash", value().replace(b"bluesky:a", b"bluesky:\xc0\xaf"), "invalid_json"),
    ("a lone surrogate", value().replace(b"bluesky:a", b"bluesky:\\ud800"), "invalid_json"),
    ("UTF-16", value().decode().encode("utf-16"), "invalid_json"),
    ("a byte order mark", b"\xef\xbb\xbf" + value(), "invalid_json"),
    ("NaN", without_quotes("actor_score", "NaN"), "invalid_json"),
    ("Infinity", without_quotes("actor_score", "Infinity"), "invalid_json"),
    ("a list", b"[1, 2]", "invalid_record"),
    ("a number", b"7", "invalid_record"),
    ("null", b"null", "invalid_record"),
    ("no id", value(id=None), "invalid_record"),
    ("no time", value(time=None), "invalid_record"),
    ("an empty id", value(id=""), "invalid_record"),
    ("an id too long", value(id="x" * 513), "invalid_record"),
    ("an empty target", value(target=""), "invalid_record"),
    ("an empty actor", value(actor=""), "invalid_record"),
    ("a number for an id", value(id=7), "invalid_record"),
    ("a text for a time", value(time="2026-07-04"), "invalid_record"),
    ("half a millisecond", value(time=NOW + 0.5), "invalid_record"),
    ("a negative time", value(time=-1), "invalid_record"),
    ("a very negative time", value(time=-(1 << 80)), "invalid_record"),
    ("an unknown kind", value(kind="poke"), "invalid_record"),
    ("a text for undo", value(undo="yes"), "invalid_record"),
    ("a score above 100", value(actor_score=100.5), "invalid_record"),
    ("a negative nth", value(actor_nth=-1), "invalid_record"),
    ("too many tags", value(tags=["x"] * 65), "invalid_record"),
    ("an empty tag", value(tags=[""]), "invalid_record"),
    ("another kind", value(kind="share"), "kind_mismatch"),
    ("another target", value(target="bluesky:other"), "key_mismatch"),
    ("a time in the far future", value(time=NOW + 3_600_000), "future_time"),
    ("a huge time", value(time=1 << 62), "future_time"),
    ("a time beyond 64 bits", value(time=1 << 70), "future_time"),
    ("1 MB", value(object="x" * (1 << 20)), "too_large"),
    ("a null value", None, "null_value"),
]


def refused(log: Log, step: int = 1 << 30) -> tuple[Partition, list[tuple[int, bytes | None, str]]]:
    """Fold a log and return the refusals as offset, bytes and reason."""
    part, refusals = fold(log, step=step)
    return part, [(refusal.offset, refusal.value, refusal.reason) for refusal in refusals]


@pytest.mark.parametrize("step", [1, 2, 100])
@pytest.mark.parametrize(("bad", "reason"), [pytest.param(b, r, id=name) for name, b, r in BAD])
def test_a_bad_record_is_refused_and_its_neighbours_count(bad: bytes | None, reason: Reason, step: int) -> None:
    """With its reason, its untouched bytes and its offset, whatever the batches."""
    log = log_of(engagement("bluesky:before"))
    log.raw(0, KEY, bad)
    log.add(engagement("bluesky:after"))
    part, refusals = refused(log, step)
    assert refusals == [(1, bad, reason)]
    assert document(part).engagement.hour.likes == 2
    assert document(part).engagers == 2
    assert part.fates.tolist() == [2, 0, 0, 0, 1]


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_all_bad_records_at_once_leave_the_good_ones(step: int) -> None:
    """One fate each: dead letters and applied add up to the records."""
    log = Log()
    for _, bad, _ in BAD:
        log.raw(0, KEY, bad)
        log.add(engagement())
    part, refusals = refused(log, step)
    assert sorted(refusals) == sorted((2 * i, bad, reason) for i, (_, bad, reason) in enumerate(BAD))
    assert document(part).engagement.hour.likes == len(BAD)
    assert part.fates.sum() == len(log)
    assert part.fates[DEAD] == len(BAD)


@pytest.mark.parametrize("bad", [b"[" * NEST, b'{"tags":' * NEST, b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}"])
def test_deep_nesting_is_a_refusal(bad: bytes) -> None:
    """Not a crash, whether the depth lies where a field is read or where it is skipped."""
    log = log_of(engagement())
    log.raw(0, KEY, bad)
    part, refusals = fold(log, Partition(0, StateConfig(record_limit=1 << 30)))
    assert [refusal.reason for refusal in refusals] in (["invalid_json"], ["invalid_record"])
    assert len(part) == 1


@pytest.mark.parametrize(
    "user", ["nobody", ":native", "network:", "\x00partition", "☃"], ids=["none", "empty", "no native", "NUL", "snow"]
)
@pytest.mark.parametrize("step", [1, 100])
def test_a_user_id_without_a_network_is_refused(user: str, step: int) -> None:
    """Of engagements, posts and profiles alike; no row is made of it."""
    log = log_of(engagement(), post(), profile())
    log.add(engagement(target=user))
    log.add(post(user))
    log.add(profile(user))
    log.add(engagement())
    part, refusals = refused(log, step)
    assert [reason for _, _, reason in refusals] == ["invalid_user"] * 3
    assert list(part.ids) == [KEY]
    assert document(part).engagement.hour.likes == 2
    assert part.fates.tolist() == [4, 0, 0, 0, 3]


def test_a_key_that_is_not_there_is_a_mismatch() -> None:
    """No key, an empty one, or one that only looks the same."""
    log = Log()
    for key in (None, b"", b"bluesky:target ", b"\xff"):
        log.raw(0, key, value(id=str(key)))
    log.add(engagement())
    part, refusals = refused(log)
    assert [reason for _, _, reason in refusals] == ["key_mismatch"] * 4
    assert document(part).engagement.hour.likes == 1


@pytest.mark.parametrize("step", [1, 2])
def test_keys_are_compared_one_by_one(step: int) -> None:
    """Two ids with a newline whose joined text is the same: both are of somebody else."""
    log = Log()
    log.raw(0, b"a:1\nb:2", value(target="a:1", id="x"))
    log.raw(0, b"c:3", value(target="b:2\nc:3", id="y"))
    part, refusals = refused(log, step)
    assert [reason for _, _, reason in refusals] == ["key_mismatch"] * 2
    assert len(part) == 0


@pytest.mark.parametrize(
    ("source", "key", "bad", "reason"),
    [
        (
            "posts",
            b"bluesky:other",
            b'{"id":"p","network":"bluesky","author":"bluesky:target","time":1}',
            "key_mismatch",
        ),
        ("posts", KEY, b'{"id":"","network":"bluesky","author":"bluesky:target","time":1}', "invalid_record"),
        ("posts", KEY, None, "null_value"),
        ("profiles", b"x", b'{"user":"bluesky:target","network":"bluesky","time":1}', "key_mismatch"),
        (
            "profiles",
            KEY,
            b'{"user":"bluesky:target","network":"bluesky","time":1,"followers":"many"}',
            "invalid_record",
        ),
        ("profiles", KEY, None, "null_value"),
        ("ticks", None, b'{"source":"x"}', "invalid_record"),
        ("ticks", None, b'{"source":"x","time":%d}' % (NOW + 10**9), "future_time"),
        ("ticks", None, None, "null_value"),
    ],
)
def test_every_topic_refuses_what_is_not_its_own(source: str, key: bytes, bad: bytes, reason: Reason) -> None:
    """Posts, profiles and ticks as strictly as engagements."""
    log = log_of(post(), profile(followers=7), Tick("t", NOW))
    before = columns(fold(log)[0])
    log.raw(SOURCE_OF[source], key, bad)
    log.add(post(id="next"))
    part, refusals = refused(log)
    assert refusals == [(1, bad, reason)]
    assert columns(part)["posts"] > before["posts"]
    assert part.fates.sum() == len(log)


def test_unknown_fields_are_ignored() -> None:
    """A newer producer works."""
    log = Log()
    log.raw(0, KEY, value(colour="blue", nested={"a": [1, {"b": None}]}))
    part, refusals = refused(log)
    assert not refusals
    assert document(part).engagement.hour.likes == 1


@pytest.mark.parametrize(
    "stamps",
    [
        {"actor_nth": 1 << 80},
        {"actor_since": 1 << 80},
        {"actor_since": NOW + 10**15},
        {"actor_since": 0},
        {"actor_score": 0, "actor_nth": 0},
        {"actor_score": 1e-320},
    ],
)
def test_absurd_stamps_are_clamped(stamps: dict[str, Any]) -> None:
    """What the contract allows counts, however absurd: the score is within its bounds."""
    part = folded(engagement("bluesky:sane"))
    log = log_of(engagement("bluesky:sane"))
    log.raw(0, KEY, value(**stamps))
    part, refusals = refused(log)
    assert not refusals
    assert document(part).engagers == 2
    assert 1.0 <= document(part).score <= 100.0


@pytest.mark.parametrize("time", [0, 1, 999])
def test_the_beginning_of_time_is_a_time(time: int) -> None:
    """Late once anything newer was seen, but no error."""
    log = log_of(engagement(time=time))
    part, refusals = fold(log)
    assert not refusals
    assert part.as_of == time
    assert document(part).engagement.quarter.likes == 1


def test_a_record_as_long_as_the_limit_counts() -> None:
    """The limit itself is allowed."""
    log = Log()
    text = value(extra="")
    text = value(extra="x" * (FOREVER.record_limit - len(text)))
    assert len(text) == FOREVER.record_limit
    log.raw(0, KEY, text)
    log.raw(0, KEY, value(id="y", extra="x" * (FOREVER.record_limit - len(value(id="y", extra="")) + 1)))
    _, refusals = refused(log)
    assert [(offset, reason) for offset, _, reason in refusals] == [(1, "too_large")]


def test_a_refusal_says_what_was_wrong() -> None:
    """In words, with the field."""
    log = Log()
    log.raw(0, KEY, value(time="now"))
    log.raw(0, KEY, value(kind="share"))
    _, refusals = fold(log)
    assert "$.time" in refusals[0].detail
    assert "share" in refusals[1].detail


def test_documents_of_users_with_unusual_ids_are_whole() -> None:
    """Any text after the network's colon is an id."""
    users = ["bluesky:did:plc:aaa", "mastodon:☃@é.example", "x: ", "n:a\nb\tc", "n:\x00"]
    part = folded(*[engagement(target=user) for user in users])
    assert sorted(documents(part)) == sorted(users)

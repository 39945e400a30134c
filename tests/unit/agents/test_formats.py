"""Every line of a file has one fate."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from agents.format_name import FormatName
from agents.formats import FORMATS
from agents.formats.base import BadLineError
from agents.formats.higgs import Higgs
from agents.formats.jetstream import Jetstream
from agents.formats.klout import Klout
from agents.formats.ndjson import Ndjson
from agents.formats.rows import parse_columns
from agents.formats.table import Table
from agents.protocol import Batch, Deletion, Unlink
from agents.replay import Replay, ReplayConfig
from agents.span import ALWAYS, Span
from pipeline.errors import ConfigError
from schemas import Engagement, Identity, Post, Profile
from tests.unit.agents.samples import HIGGS, JETSTREAM, KLOUT, like, needs_data


def read(name: FormatName, lines: Sequence[bytes], shift: int = 0) -> Batch:
    """Return what a whole file becomes."""
    form = FORMATS[name](Span(shift))
    batch = form.feed(lines)
    batch.add(form.end())
    return batch


def kinds(batch: Batch) -> Counter[str]:
    """Return how many engagements there are of each kind."""
    return Counter(item.kind for item in batch.items if isinstance(item, Engagement))


@needs_data
def test_every_higgs_row_has_one_fate() -> None:
    """410,134 rows, less 25,505 mentions that are also replies and 4,329 other rows about oneself."""
    lines = gzip.decompress(HIGGS.read_bytes()).splitlines()
    batch = read("higgs", lines)
    assert batch.read == len(lines) == 410_134
    assert batch.skipped == {"mention_of_reply": 25_505, "self": 4_329}
    assert kinds(batch) == {"share": 264_141, "comment": 116_159}
    assert len({item.id for item in batch.items if isinstance(item, Engagement)}) == len(batch.items) == 380_300


@needs_data
def test_the_recorded_frames_of_bluesky_become_what_they_say() -> None:
    """104 likes, 15 reposts, 6 replies among 17 posts, 6 follows, 4 deletions of what was not recorded."""
    batch = read("jetstream", JETSTREAM.read_bytes().splitlines())
    assert batch.read == 152
    assert kinds(batch) == {"like": 104, "share": 15, "comment": 6, "follow": 6}
    assert sum(isinstance(item, Post) for item in batch.items) == 17
    assert sum(isinstance(item, Deletion) for item in batch.items) == 4
    assert batch.skipped == {"no_handle": 1, "account": 1, "other_collection": 3, "self": 1}


@needs_data
def test_each_row_of_the_klout_sample_is_a_reaction() -> None:
    """1,000 rows and a header; each post is published once."""
    batch = read("klout", KLOUT.read_bytes().splitlines())
    assert (batch.read, batch.skipped) == (1_001, {"header": 1})
    assert kinds(batch) == {"like": 1_000}
    posts = [item.id for item in batch.items if isinstance(item, Post)]
    assert len(posts) == len(set(posts)) == 57


@pytest.mark.parametrize(
    "rows", [[b"1 2 9 MT", b"1 2 9 RE"], [b"1 2 9 RE", b"1 2 9 MT"], [b"1 2 9 RE", b"3 4 9 RT", b"1 2 9 MT"]]
)
def test_the_mention_of_a_reply_is_dropped_on_either_side(rows: list[bytes]) -> None:
    """A reply stands there twice and counts once."""
    batch = read("higgs", rows)
    assert batch.skipped == {"mention_of_reply": 1}
    assert kinds(batch)["comment"] == 1


def test_a_mention_in_another_second_is_a_comment() -> None:
    """Only a twin of the same second is one."""
    assert kinds(read("higgs", [b"1 2 9 RE", b"1 2 10 MT"])) == {"comment": 2}


def test_a_second_is_decided_when_it_is_over() -> None:
    """Rows whose twin may still come are not counted as read: a cursor must not pass them."""
    form = Higgs()
    assert form.feed([b"1 2 9 MT"]).read == 0
    assert form.feed([b"3 4 10 RT"]).read == 1
    assert form.end().read == 1


@pytest.mark.parametrize("row", [b"", b"1 2 9", b"1 2 9 XX", b"a 2 9 RT", b"1 2 -9 RT", b"1 2 9 RT 5"])
def test_a_wrong_higgs_row_is_named(row: bytes) -> None:
    """A data set is right in every line."""
    with pytest.raises(BadLineError) as error:
        Higgs().feed([b"1 2 9 RT", row])
    assert error.value.offset == 1


@pytest.mark.parametrize("row", [b"1\t2\t3\t4", b"x\t2\t3\t4\t5\tUTC", b"1\t2\t3\t4\t-5\tUTC"])
def test_a_wrong_klout_row_is_named(row: bytes) -> None:
    """A data set is right in every line."""
    with pytest.raises(BadLineError):
        Klout().feed([row])


def frame(commit: object = None, **changes: object) -> bytes:
    """Return a Jetstream frame."""
    whole = {"did": "did:plc:aaa", "time_us": 1_783_175_888_085_434, "kind": "commit", "commit": commit, **changes}
    return msgspec.json.encode({key: value for key, value in whole.items() if value is not None})


def created(collection: str, record: object) -> dict[str, object]:
    """Return a commit that creates a record."""
    return {"operation": "create", "collection": collection, "rkey": "3k", "record": record}


def test_a_like_names_the_post_and_its_author() -> None:
    """The target is the account inside the address of the post; the time is the server's."""
    uri = "at://did:plc:bbb/app.bsky.feed.post/3m"
    record = {"createdAt": "2031-01-01T00:00:00Z", "subject": {"cid": "c", "uri": uri}}
    (item,) = Jetstream().feed([frame(created("app.bsky.feed.like", record))]).items
    assert item == Engagement(
        id="bluesky:did:plc:aaa/app.bsky.feed.like/3k",
        kind="like",
        network="bluesky",
        actor="bluesky:did:plc:aaa",
        target="bluesky:did:plc:bbb",
        time=1_783_175_888_085,
        object=uri,
    )


def test_a_post_brings_its_hashtags() -> None:
    """Tags stand in the record or in the facets of the text; none twice."""
    facets = [{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "physics"}, {"uri": "https://x"}]}]
    record = {"text": "..", "tags": ["higgs", "physics"], "facets": facets}
    (item,) = Jetstream().feed([frame(created("app.bsky.feed.post", record))]).items
    assert isinstance(item, Post)
    assert item.tags == ["higgs", "physics"]


def test_the_deletion_of_a_reply_names_the_comment_and_the_post() -> None:
    """One commit had become two records, with ids of their own."""
    reply = {"reply": {"parent": {"uri": "at://did:plc:bbb/app.bsky.feed.post/3m"}}}
    deletion = {"operation": "delete", "collection": "app.bsky.feed.post", "rkey": "3k"}
    batch = Jetstream().feed([frame(created("app.bsky.feed.post", reply)), frame(deletion)])
    *records, deleted = batch.items
    assert isinstance(deleted, Deletion)
    assert {record.id for record in records if isinstance(record, Engagement | Post)} < set(deleted.ids)


def test_an_identity_with_a_handle_is_a_profile() -> None:
    """An identity without one says nothing."""
    lines = [
        frame(kind="identity", identity={"did": "did:plc:aaa", "handle": "ada.bsky.social"}),
        frame(kind="identity", identity={"did": "did:plc:aaa"}),
    ]
    batch = Jetstream().feed(lines)
    assert batch.items == [
        Profile(user="bluesky:did:plc:aaa", network="bluesky", time=1_783_175_888_085, handle="ada.bsky.social")
    ]
    assert batch.skipped == {"no_handle": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "blank"),
        (b"{", "malformed"),
        (b"[1]", "malformed"),
        (b'"\\ud800"', "malformed"),
        (frame(did=7), "malformed"),
        (frame(created("app.bsky.feed.like", {"subject": 5})), "malformed"),
        (frame(created("app.bsky.feed.like", {})), "malformed"),
        (frame(created("app.bsky.feed.like", {"subject": {"uri": "https://x"}})), "malformed"),
        (frame(created("app.bsky.graph.follow", {"subject": "did:plc:" + "b" * 600})), "id_too_long"),
        (frame(created("app.bsky.graph.block", {"subject": "did:plc:bbb"})), "other_collection"),
        (frame({"operation": "update", "collection": "app.bsky.feed.post", "rkey": "3k"}), "update"),
    ],
)
def test_a_frame_that_is_no_engagement_is_skipped_for_a_reason(line: bytes, reason: str) -> None:
    """The lines beside it count."""
    good = frame(created("app.bsky.graph.follow", {"subject": "did:plc:bbb"}))
    batch = Jetstream().feed([good, line, good])
    assert (batch.read, len(batch.items), batch.skipped) == (3, 2, {reason: 1})


def test_records_of_our_own_are_told_apart_by_their_fields() -> None:
    """Engagement, post, profile and identity come back as they were written."""
    records = [
        like(tags=["x"], actor_score=40.0),
        Post(id="n:p", network="n", author="n:a", time=1),
        Profile(user="n:a", network="n", time=2, handle="ada"),
        Identity(account="n:a", user="m:b", time=3),
    ]
    batch = Ndjson().feed([msgspec.json.encode(record) for record in records])
    assert batch.items == records


@pytest.mark.parametrize(
    "line", [b"nonsense", b"{}", b'{"kind":"like"}', msgspec.json.encode(like(target="nobody")), b"[" * 5000]
)
def test_a_line_that_is_no_record_is_skipped(line: bytes) -> None:
    """It is counted, and the rest goes on."""
    batch = Ndjson().feed([line, msgspec.json.encode(like())])
    assert (batch.read, len(batch.items), batch.skipped) == (2, 1, {"malformed": 1})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("higgs", b"1 2 1341100972 RE"),
        ("klout", b"-1\t2\t3\t1413331199002\t1413331280999\tUTC"),
        ("jetstream", frame(created("app.bsky.graph.follow", {"subject": "did:plc:bbb"}))),
        ("ndjson", msgspec.json.encode(like())),
    ],
)
def test_a_shift_moves_the_time_and_nothing_else(name: FormatName, line: bytes) -> None:
    """Ids come from the row, so that a second replay repeats them."""
    (*_, plain), (*_, moved) = read(name, [line]).items, read(name, [line], shift=5_000).items
    assert isinstance(plain, Engagement)
    assert moved == msgspec.structs.replace(plain, time=plain.time + 5_000)
    assert FORMATS[name](ALWAYS).time(line) == plain.time
    others = {other for other in FORMATS if other != name and FORMATS[other](ALWAYS).check(line)}
    assert FORMATS[name](ALWAYS).check(line)
    assert not others, "no other format takes it for its own"


def gh(kind: str, payload: dict[str, object], actor: str = "mona") -> bytes:
    """Return a line of GH Archive."""
    event = {"id": "2489651045", "type": kind, "actor": {"id": 2, "login": actor}, "payload": payload, "public": True}
    repo = {"id": 9, "name": "octocat/hello", "url": "https://api.github.com/repos/octocat/hello"}
    return msgspec.json.encode({**event, "repo": repo, "created_at": "2015-01-01T15:00:00Z"})


@pytest.mark.parametrize(
    ("line", "kind", "name", "target"),
    [
        (gh("WatchEvent", {"action": "started"}), "like", "star/2/9", "octocat"),
        (gh("ForkEvent", {"forkee": {"id": 77}}), "share", "fork/77", "octocat"),
        (
            gh(
                "IssueCommentEvent",
                {"action": "created", "comment": {"id": 5}, "issue": {"id": 6, "user": {"login": "ada"}}},
            ),
            "comment",
            "issue_comment/5",
            "ada",
        ),
        (gh("CommitCommentEvent", {"comment": {"id": 5}}), "comment", "commit_comment/5", "octocat"),
        (
            gh("PullRequestReviewEvent", {"review": {"id": 5}, "pull_request": {"id": 6, "user": {"login": "ada"}}}),
            "comment",
            "review/5",
            "ada",
        ),
    ],
)
def test_an_event_of_github_is_for_whom_it_answers(line: bytes, kind: str, name: str, target: str) -> None:
    """Ids are those of the webhooks, so that both together count once."""
    (item,) = read("gharchive", [line]).items
    assert isinstance(item, Engagement)
    assert (item.kind, item.id, item.target) == (kind, f"github:{name}", f"github:{target}")
    assert (item.actor, item.time) == ("github:mona", 1_420_124_400_000)


def test_other_events_of_github_are_skipped_for_a_reason() -> None:
    """A push, one's own star, an edit, and what is no event."""
    lines = [
        gh("PushEvent", {"size": 1}),
        gh("WatchEvent", {"action": "started"}, "Octocat"),
        gh("IssueCommentEvent", {"action": "edited"}),
        b'{"type": "WatchEvent"}',
        gh("WatchEvent", {"action": 7}),
    ]
    batch = read("gharchive", lines)
    assert (batch.items, batch.read) == ([], 5)
    assert batch.skipped == {"other_type": 1, "self": 1, "other_action": 1, "malformed": 2}


ROWS = [
    b"who,did,whom,when,about\r\n",
    b'ada,retweet,bob,2026-11-22T05:00:00Z,"a, b"\r\n',
    b"ada,like,bob,1795323600,x\r\n",
    b"ada,frowns,bob,1795323600,x\r\n",
    b"ada,like,ada,1795323600,x\r\n",
    b"ada,like,bob,soon,x\r\n",
    b"ada,like\r\n",
    b"\xff\xfe\r\n",
    b"\r\n",
]
COLUMNS = "actor=who,kind=did,target=whom,time=when,object=about,network:n"


def test_a_table_is_read_as_its_columns_are_named() -> None:
    """Each row has one fate, and is named by what it says."""
    table = Table(columns=parse_columns(COLUMNS))
    assert table.check(ROWS[0])
    batch = table.feed(ROWS)
    first, second = batch.items
    assert isinstance(first, Engagement)
    assert isinstance(second, Engagement)
    assert (first.kind, first.actor, first.target, first.object) == ("share", "n:ada", "n:bob", "a, b")
    assert first.time == second.time == 1_795_323_600_000
    assert first.id != second.id
    assert batch.skipped == {"header": 1, "other_kind": 1, "self": 1, "malformed": 3, "blank": 1}
    assert batch.read == len(ROWS)


def test_a_table_without_a_column_that_is_needed_is_refused() -> None:
    """The defaults are the fields' own names."""
    assert not Table().check(ROWS[0])
    assert Table().check(b"kind,actor,target,time,network")


@pytest.mark.parametrize("text", ["who", "actors=who", "actor=a,actor=b", "actor="])
def test_a_wrong_column_option_says_what_to_give(text: str) -> None:
    """It names the fields."""
    with pytest.raises(ConfigError, match="give FIELD=COLUMN or FIELD:VALUE, fields are id, kind"):
        parse_columns(text)


_GOOD: dict[FormatName, dict[str, object]] = {
    "gharchive": {
        "id": "1",
        "type": "WatchEvent",
        "actor": {"login": "ada", "id": 1},
        "repo": {"name": "bob/x", "id": 2},
        "created_at": "2026-07-04T14:38:08Z",
        "payload": {"action": "started"},
    },
    "jetstream": msgspec.json.decode(frame(created("app.bsky.graph.follow", {"subject": "did:plc:bbb"}))),
    "ndjson": msgspec.to_builtins(like()),
}


@pytest.mark.parametrize("name", _GOOD)
async def test_hostile_lines_are_skipped_and_counted(name: FormatName, tmp_path: Path) -> None:
    """Each field in turn a megabyte long, deeply nested, of a wrong type; bytes that are no text; impossible times."""
    good = msgspec.json.encode(_GOOD[name])
    hostile = [
        json.dumps({**_GOOD[name], field: value}).encode()
        for field in _GOOD[name]
        for value in ("x" * 900_000, -1, 10**400, [[]] * 9, {"a": "b"}, None, "\x00")
    ]
    hostile += [good[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"]
    hostile += [good[:40], b"\xff" + good, good[:20] + b"\xff\xfe"]
    hostile += [b"x" * 3_000_000, b"[]", b"null", b"1"]
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join([good, *hostile, good]))
    whole = Batch()
    async for batch in Replay(ReplayConfig(path, name)).batches():
        whole.add(batch)
    assert whole.read == len(hostile) + 2 == sum(whole.skipped.values()) + len(whole.items)
    assert whole.skipped["malformed"] > len(hostile) / 2
    for item in whole.items:
        assert not isinstance(item, Deletion | Unlink)
        # What is published is what the contract allows.
        msgspec.json.decode(msgspec.json.encode(item), type=type(item))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("second", [0, 1, 4_102_444_800])
async def test_an_event_of_1970_or_2100_is_skipped(name: FormatName, second: int, tmp_path: Path) -> None:
    """It is in no window, and time must not pass by it."""
    moment = datetime.fromtimestamp(second, UTC).isoformat()
    lines: dict[str, bytes] = {
        "csv": f"kind,actor,target,time\nlike,n:a,n:b,{moment}".encode(),
        "gharchive": msgspec.json.encode({**_GOOD["gharchive"], "created_at": moment}),
        "higgs": f"1 2 {second} RT".encode(),
        "jetstream": msgspec.json.encode({**_GOOD["jetstream"], "time_us": second * 1_000_000}),
        "klout": f"1\t2\t3\t{second * 1_000}\t{second * 1_000}\tUTC".encode(),
        "ndjson": msgspec.json.encode({**_GOOD["ndjson"], "time": second * 1_000}),
    }
    path = tmp_path / "lines"
    path.write_bytes(lines[name])
    whole = Batch()
    async for batch in Replay(ReplayConfig(path, name)).batches():
        whole.add(batch)
    assert (whole.items, whole.time) == ([], None)
    assert whole.skipped["implausible_time"] == 1

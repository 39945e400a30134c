"""What networks give to their users becomes what it holds, and no more."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agents.exports import archive
from agents.exports.meta import mended
from agents.replay import Replay, ReplayConfig
from agents.span import Span
from pipeline.errors import ConfigError, ContractError
from schemas import Engagement, Post, Profile
from tests.unit.agents.exports import (
    ALL,
    FACEBOOK,
    GOOGLEPLUS,
    INSTAGRAM,
    TWITTER,
    followed,
    pack,
    read,
    said,
    tweet,
    unpack,
    ytd,
)

NOW = 1_790_000_000_000


def test_a_takeout_names_who_gave_a_plus_one(tmp_path: Path) -> None:
    """With the time of the post: their own is not in it. What one says to oneself counts nothing."""
    batch = read(pack(tmp_path / "takeout.zip", GOOGLEPLUS), "googleplus")
    ada, bob, cyd = "googleplus:101", "googleplus:102", "googleplus:103"
    assert said(batch) == [
        ("like", bob, ada),
        ("like", cyd, ada),
        ("share", cyd, ada),
        ("comment", bob, ada),
        ("share", ada, bob),
    ]
    assert [item.time for item in batch.items if isinstance(item, Engagement)][:4] == [
        *[1_539_169_871_000] * 3,
        1_539_172_800_000,
    ]
    assert sum(isinstance(item, Post) for item in batch.items) == 2
    assert batch.skipped == {"self": 1, "malformed": 1}
    assert batch.read == 8


def test_an_archive_of_twitter_tells_what_its_owner_did(tmp_path: Path) -> None:
    """What it does not tell, who liked when, is counted by what is missing."""
    batch = read(pack(tmp_path / "twitter.zip", TWITTER), "twitter")
    ada, bob, cyd = "twitter:42", "twitter:43", "twitter:44"
    assert said(batch) == [
        ("share", ada, bob),
        ("comment", ada, bob),
        ("comment", ada, bob),
        ("comment", ada, cyd),
    ]
    share, reply, *_ = [item for item in batch.items if isinstance(item, Engagement)]
    assert (share.id, share.object, share.time) == ("twitter:status/2", None, 1_676_721_731_000)
    assert (reply.id, reply.object) == ("twitter:status/4#reply", "twitter:status/9")
    posts = [item for item in batch.items if isinstance(item, Post)]
    assert [post.object for post in posts] == [f"twitter:status/{n}" for n in (1, 4, 5, 7)]
    assert posts[0].tags == ["physics"]
    assert batch.skipped == {"no_target": 1, "malformed": 1, "like_without_author": 1, "follow_without_time": 3}
    (profile,) = [item for item in batch.items if isinstance(item, Profile)]
    assert (profile.handle, profile.followers, profile.following, profile.posts) == ("ada", 2, 1, 7)
    assert profile.time == max(item.time for item in batch.items)  # type: ignore[union-attr, type-var]


def test_an_export_of_instagram_tells_who_followed_when(tmp_path: Path) -> None:
    """Both layouts of likes are read; a comment in another language names nobody."""
    batch = read(pack(tmp_path / "instagram.zip", INSTAGRAM), "instagram")
    ada, bob = "instagram:name/ada", "instagram:name/bob"
    assert said(batch) == [
        ("follow", bob, ada),
        ("follow", ada, bob),
        ("like", ada, bob),
        ("like", ada, bob),
        ("comment", ada, bob),
    ]
    assert [item.object for item in batch.items if isinstance(item, Engagement)][2:4] == [
        "instagram:p/C1",
        "instagram:p/C2",
    ]
    assert batch.skipped == {"no_time": 2}
    (profile,) = [item for item in batch.items if isinstance(item, Profile)]
    assert (profile.name, profile.followers) == ("Adèle", 2)


def test_an_export_of_facebook_knows_people_by_name(tmp_path: Path) -> None:
    """The titles of what one did say to whom."""
    batch = read(pack(tmp_path / "facebook.zip", FACEBOOK), "facebook")
    ada, mary = "facebook:name/Adèle Byron", "facebook:name/Mary O'Neill"
    assert said(batch) == [
        ("like", ada, "facebook:name/Tobias Løye"),
        ("comment", ada, mary),
        ("follow", mary, ada),
        ("follow", ada, mary),
    ]
    assert batch.skipped == {"self": 1, "no_target": 1, "follow_without_time": 1}


@pytest.mark.parametrize("text", ["Adèle", "👍", "naïve ", "日本"])
def test_what_meta_breaks_is_mended(text: str) -> None:
    """And what it did not break stays."""
    assert mended(text.encode().decode("latin-1")) == text
    assert mended(text) == text


@pytest.mark.parametrize("name", ALL)
def test_a_folder_is_read_like_the_zip(tmp_path: Path, name: str) -> None:
    """Also where the export lies deeper in it."""
    packed, folder = pack(tmp_path / "packed", ALL[name]), unpack(tmp_path / "out/of/it", ALL[name])
    assert read(packed, name) == read(folder, name) == read(tmp_path / "out", name)


@pytest.mark.parametrize("name", ALL)
async def test_an_export_is_shifted_and_resumed_like_a_file(tmp_path: Path, name: str) -> None:
    """Its newest entry happens now; ids stay."""
    path = pack(tmp_path / "packed", ALL[name])
    config = ReplayConfig(path, name, shift=True)  # type: ignore[arg-type]
    whole = await anext(Replay(config, clock=lambda: NOW).batches())
    assert whole.time == NOW
    assert whole.position is not None
    rest = await anext(Replay(config, clock=lambda: NOW + 5).batches({**whole.position, "line": 5}))
    assert 0 < rest.read == whole.read - 5
    assert rest.items == whole.items[len(whole.items) - len(rest.items) :]


async def test_an_export_is_cut_at_a_moment(tmp_path: Path) -> None:
    """What happened then or later is somebody else's."""
    until = 1_700_000_200_000
    replay = Replay(ReplayConfig(pack(tmp_path / "x", INSTAGRAM), "instagram", until=until), clock=lambda: NOW)
    whole = await anext(replay.batches())
    assert whole.skipped == {"no_time": 2, "after_until": 5}
    assert said(whole) == [
        ("follow", "instagram:name/bob", "instagram:name/ada"),
        ("follow", "instagram:name/ada", "instagram:name/bob"),
    ]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("other", ALL)
def test_the_export_of_another_network_is_refused(tmp_path: Path, name: str, other: str) -> None:
    """The message says what was expected."""
    if name != other:
        path = pack(tmp_path / "it.zip", ALL[other])
        with pytest.raises(ContractError, match=r"it.zip: expected an? (archive|export|Takeout) of .*; there is none"):
            read(path, name)


def changed(name: str, document: str, content: object) -> dict[str, Any]:
    """Return an export with one document changed."""
    (whole,) = [each for each in ALL[name] if each.endswith(document)]
    return {**ALL[name], whole: content}


@pytest.mark.parametrize(
    ("name", "document", "content", "expected"),
    [
        ("twitter", "tweets.js", b"var x = []", r"data/tweets.js: expected window.YTD.NAME.part0 = \[..\]; 'var x"),
        (
            "twitter",
            "tweets.js",
            b"window.YTD.tweets.part0 = [{",
            "data/tweets.js: expected a list; Input data was trunc",
        ),
        ("twitter", "account.js", b"window.YTD.account.part0 = []", "data/account.js: expected an archive of Twitter"),
        ("facebook", "comments.json", b'{"other": []}', "comments.json: expected a list or a list under 'comments_v2'"),
        ("facebook", "comments.json", b"[" * 100_000, "comments.json: expected a list"),
        ("instagram", "following.json", b"\xff\xfe", "following.json: expected a list"),
        ("instagram", "following.json", b"", "following.json: expected a list.*truncated"),
        ("googleplus", "Hello.json", b'{"author": 3}', r"Posts/20181010 - Hello.json: expected a post of Google"),
    ],
)
def test_a_document_that_is_wrong_is_named(
    tmp_path: Path, name: str, document: str, content: bytes, expected: str
) -> None:
    """Nothing of the export is published then: half of it would look like all."""
    with pytest.raises(ContractError, match=rf"it.zip, .*{expected}"):
        read(pack(tmp_path / "it.zip", changed(name, document, content)), name)


HOSTILE: list[object] = [
    None,
    7,
    "text",
    [],
    {},
    json.loads("[" * 500 + "]" * 500),
    followed("x" * 1_000_000, 1_700_000_000),
    followed("bob", 10**30),
    followed("bob", -5),
    {"string_list_data": [{"value": "bob", "timestamp": "soon"}]},
    followed("bob", 0),
    followed("b\x00b", 1_700_000_000),
]


async def test_hostile_entries_are_skipped_and_counted(tmp_path: Path) -> None:
    """Wrong types, long strings, deep nesting, impossible times; the good one between them counts."""
    entries = [*HOSTILE, followed("good", 1_700_000_000), followed("early", 1), followed("late", 4_102_444_800)]
    documents = changed("instagram", "followers_1.json", entries)
    replay = Replay(ReplayConfig(pack(tmp_path / "x", documents), "instagram"), clock=lambda: NOW)
    whole = await anext(replay.batches())
    assert whole.read == sum(whole.skipped.values()) + 7
    assert whole.skipped["implausible_time"] == 4
    assert ("follow", "instagram:name/good", "instagram:name/ada") in said(whole)
    assert len(said(whole)) == 5


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the zip says of lengths: what comes out of it is counted."""
    monkeypatch.setattr(archive, "MEMBER_BYTES", 4 << 20)
    path = pack(tmp_path / "it.zip", changed("instagram", "following.json", b" " * (5 << 20)))
    assert path.stat().st_size < 100_000
    with pytest.raises(ContractError, match=r"following.json: expected 4 MiB at most; it is longer"):
        read(path, "instagram")


def test_documents_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand long ones are no better than one that is too long."""
    monkeypatch.setattr(archive, "EXPORT_BYTES", 4 << 20)
    documents = {f"data/tweets-part{n}.js": ytd("tweets", []) + b" " * (1 << 20) for n in range(5)}
    with pytest.raises(
        ContractError, match=r"tweets-part\d.js: expected 4 MiB at most in all documents; there is more"
    ):
        read(pack(tmp_path / "it.zip", {**TWITTER, **documents}), "twitter")


def test_a_long_list_of_members_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be in memory before the first of them could be looked at."""
    monkeypatch.setattr(archive, "_DIRECTORY_BYTES", 10_000)
    path = pack(tmp_path / "it.zip", {f"photo{n}.jpg": b"" for n in range(500)})
    with pytest.raises(
        ContractError, match=r"it.zip: expected a folder or a zip file; its list of members is too long"
    ):
        read(path, "twitter")


@pytest.mark.parametrize(
    "name", ["../data/account.js", "/data/account.js", "..\\data\\account.js", "x/../data/account.js"]
)
def test_a_name_that_leaves_the_export_is_of_nothing(tmp_path: Path, name: str) -> None:
    """Nothing is written anywhere, and such a member is not even read."""
    path = pack(tmp_path / "it.zip", {name: TWITTER["data/account.js"]})
    with pytest.raises(ContractError, match="expected an archive of Twitter"):
        read(path, "twitter")


def test_a_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    """Control characters of a member's name are not shown."""
    path = pack(tmp_path / "it.zip", {**TWITTER, "\x1b]0;mine\x07/data/tweets.js": b"no"})
    with pytest.raises(ContractError) as error:
        read(path, "twitter")
    assert "?]0?mine" in str(error.value) or "?0?mine" in str(error.value).replace("]", "")
    assert str(error.value).isprintable()


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    """A link may lead anywhere, and a pipe never ends."""
    folder = unpack(tmp_path / "export", {"data/account.js": TWITTER["data/account.js"]})
    outside = tmp_path / "outside.js"
    outside.write_bytes(ytd("tweets", [tweet(1, "secret")]))
    (folder / "data/tweets.js").symlink_to(outside)
    os.mkfifo(folder / "data/tweets-part1.js")
    assert read(folder, "twitter").read == 0


@pytest.mark.parametrize("damage", ["cut", "bytes", "encrypted", "method", "text"])
def test_a_damaged_zip_is_named(tmp_path: Path, damage: str) -> None:
    """Cut off, changed, encrypted, of a method that nobody knows, or no zip at all."""
    content = bytearray(pack(tmp_path / "good", TWITTER).read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as file:
        start = file.start_dir
        body = file.getinfo("data/account.js").header_offset + 30 + len("data/account.js")
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "bytes":
        content[body : body + 40] = bytes(40)
    elif damage == "text":
        content = bytearray(b"{}")
    else:
        # Of the first member, data/account.js: in the list of members and at the member itself.
        at, value = (8, 1) if damage == "encrypted" else (10, 99)
        struct.pack_into("<H", content, start + at, value)
        struct.pack_into("<H", content, at - 2, value)
    path = tmp_path / "it.zip"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=r"it.zip(, data/account.js)?: expected a (folder or a zip file|document)"):
        read(path, "twitter")


def test_an_export_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As any file."""
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere.zip: No such file"):
        read(tmp_path / "nowhere.zip", "twitter")


def test_a_span_refuses_what_lies_outside() -> None:
    """Its last moment counts, the one at which it is cut does not."""
    span = Span(shift=10, first=100, last=200, until=150)
    assert [span.refuses(moved) for moved in (99, 100, 159, 160, 201)] == [
        "implausible_time",
        None,
        None,
        "after_until",
        "implausible_time",
    ]

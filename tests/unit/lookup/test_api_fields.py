"""Fields of requests: paths with ids, cursors, ids of events, ETags."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lookup.api.documents import document_response
from pipeline.lookup.api.fields import checked_user, decode_cursor
from pipeline.lookup.api.paths import folded, user_of
from pipeline.lookup.api.problems import InvalidFieldError
from pipeline.lookup.cursors import CursorCodec
from pipeline.lookup.documents import Document
from pipeline.lookup.store import Position
from pipeline.lookup.stream import order
from tests.unit.lookup.documents import score_bytes

CODEC = CursorCodec(Position, "leaderboard", None)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(text)
def test_an_encoded_id_always_arrives_whole(user: str) -> None:
    """Slashes, percent signs and names of resources in an id change nothing when it is one segment."""
    for suffix in ("", "/score", "/explain"):
        path = folded(f"/v1/users/{quote(user, safe='')}{suffix}")
        assert path is not None
        segment, _, resource = path.removeprefix("/v1/users/").partition("/")
        assert user_of(segment) == user
        assert resource == suffix.removeprefix("/")


@pytest.mark.parametrize("user", ["github:torvalds", "mastodon:https://host/users/x", "at:100%25"])
@pytest.mark.parametrize("resource", ["", "/score"])
def test_slashes_and_colons_may_stay_unencoded(user: str, resource: str) -> None:
    """Clients seldom encode a colon, and many forget a slash."""
    path = folded(f"/v1/users/{user}{resource}")
    assert path is not None
    segment, _, rest = path.removeprefix("/v1/users/").partition("/")
    assert user_of(segment) == user.replace("%25", "%")
    assert rest == resource.removeprefix("/")


def test_other_paths_are_left_alone() -> None:
    """Only paths with user ids are folded."""
    assert folded("/v1/leaderboard") is None
    assert folded("/v1/users/") is None


@pytest.mark.parametrize("user", ["", "nobody", ":x", "x:", "x:\x00", "x:" + "a" * 511])
def test_what_cannot_be_an_id_is_refused_by_field(user: str) -> None:
    """The problem names the field."""
    with pytest.raises(InvalidFieldError) as caught:
        checked_user("user", user)
    assert caught.value.field == "user"


@given(st.floats(1, 100), text)
def test_a_cursor_is_read_as_it_was_written(score: float, user: str) -> None:
    """No page is skipped by a rounding."""
    assert decode_cursor(CODEC, CODEC.encode(Position(score, user))) == Position(score, user)


@given(st.text(max_size=50))
def test_a_cursor_from_elsewhere_is_refused(cursor: str) -> None:
    """The problem names the field, whatever was sent."""
    with pytest.raises(InvalidFieldError, match="cursor"):
        decode_cursor(CODEC, cursor)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_cursor_that_somebody_made_up_is_refused(score: float) -> None:
    """It is not signed: so it must not be able to hold what would be an error further on."""
    forged = CursorCodec(dict[str, object], "leaderboard", None).encode({"score": score, "user": "x:a"})
    with pytest.raises(InvalidFieldError, match="cursor"):
        decode_cursor(CODEC, forged)


def test_a_cursor_of_another_listing_is_refused() -> None:
    """Its place would be somewhere else there."""
    other = CursorCodec(Position, "leaderboard", "github").encode(Position(50.0, "x:a"))
    with pytest.raises(InvalidFieldError, match="cursor"):
        decode_cursor(CODEC, other)


def test_event_ids_are_compared_as_numbers() -> None:
    """9 stands before 10."""
    assert order("9-10") < order("10-9") < order("10-10")


@pytest.mark.parametrize("entry_id", ["", "1", "1-", "a-b", "1-2-3", "$", "1-2\n", "-1-2"])
def test_what_is_no_event_id_is_refused(entry_id: str) -> None:
    """A Last-Event-ID from elsewhere is an error, not a silent start."""
    with pytest.raises(ValueError, match="no id of an event"):
        order(entry_id)


def test_the_etag_is_the_version_of_the_document_itself() -> None:
    """A name that looks like a version does not mislead."""
    document = score_bytes("x:a", version=7, name='","version":99,"')
    assert document_response(Document.of(document), None).headers["ETag"] == '"7"'


@pytest.mark.parametrize(("condition", "status"), [('"7"', 304), ('W/"7"', 304), ('"1", "7"', 304), ('"1"', 200)])
def test_a_client_with_this_version_gets_no_body(condition: str, status: int) -> None:
    """If-None-Match names versions."""
    assert document_response(Document.of(score_bytes("x:a", version=7)), condition).status_code == status

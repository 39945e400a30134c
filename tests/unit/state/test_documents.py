"""What is written from columns is, byte for byte, what the Structs say."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.scoring.features import empty
from pipeline.scoring.model import Scores, bucket
from pipeline.state.documents import ENCODER, encoded_documents, rounded, score_documents
from pipeline.state.form import NULL, Form, fixed, mark, text_mark
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.persons import standing
from schemas import Identity
from tests.unit.state.log import NOW, all_rows, contribution, crowd, engagement, folded, profile

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
perhaps = st.one_of(st.none(), texts)
natives = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
many = st.integers(0, 2**53)


def same(part: Partition, *said: Any) -> list[bytes]:
    """Return the documents of all rows, once both ways of writing them agree."""
    rows = all_rows(part)
    seen, scores = said or standing(part, rows)
    pairs = encoded_documents(part, rows, seen, scores, NOW)
    assert [user for user, _ in pairs] == part.index.names(rows)
    written = [text for _, text in pairs]
    assert written == [ENCODER.encode(each) for each in score_documents(part, rows, seen, scores, NOW)]
    return written


@given(st.lists(st.tuples(natives, perhaps, perhaps, perhaps), max_size=5, unique_by=lambda each: each[0]))
@example([("a:b:c", "", '"\\/\b\f\n\r\t\0\x1f\x7f', "é\u2028😀")])
def test_whatever_people_call_themselves(people: list[tuple[str, str | None, str | None, str | None]]) -> None:
    """Quotes, control characters and all other letters; a missing or an empty handle is the native id."""
    events: list[Any] = [engagement(target="bluesky:silent")]
    for native, handle, name, avatar in people:
        user = f"bluesky:{native}"
        events += [engagement(target=user), profile(user, handle=handle, name=name, avatar=avatar)]
    assert len(same(folded(*events))) == len({f"bluesky:{native}" for native, *_ in people} | {"bluesky:silent"})


@given(
    st.lists(
        st.tuples(
            st.floats(1, 100),
            st.one_of(st.just(np.nan), st.floats(1, 100)),
            st.floats(0, 100),
            st.floats(0, 1),
            st.tuples(*[st.floats(0, 100)] * 3),
            st.tuples(*[many] * 16),
            st.floats(0, 1e15),
            st.integers(0, 100),
            st.one_of(st.just(0), st.integers(NOW - 2**37, NOW)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_the_numbers_are(columns: list[tuple[Any, ...]]) -> None:
    """Decimals without zeros at their end; no score before, and nothing that the windows have left behind."""
    part = folded(*[engagement(target=f"bluesky:{i}") for i in range(len(columns))])
    rows = all_rows(part)
    score, previous, percentile, confidence, factors, counts, engagers, authenticity, last = map(
        np.array, zip(*columns, strict=True)
    )
    part.emitted[rows], part.last[rows] = rounded(previous), last
    seen = empty(len(rows))
    seen.counts[:] = counts.reshape(-1, 4, 4)
    seen.engagers[:] = engagers
    scores = Scores(score, factors, score, percentile, confidence, bucket(score), authenticity)
    same(part, seen, scores)


def test_accounts_of_one_person() -> None:
    """Accounts name their person, and a person has all their networks; others beside them have neither."""
    part = folded(
        *crowd(40),
        *crowd(20, target="bluesky:person", seed=2),
        Identity("bluesky:target", "bluesky:person", NOW),
        contribution("mastodon:other"),
    )
    told = {each["user"]: each for each in map(msgspec.json.decode, same(part))}
    assert told["bluesky:target"]["person"] == "bluesky:person"
    assert set(told["bluesky:person"]["networks"]) == {"bluesky", "mastodon"}


def test_a_row_that_was_forgotten() -> None:
    """It has no name, and keeps its place."""
    part = folded(engagement(target="bluesky:gone"), engagement(target="bluesky:here"))
    part.index.remove(part.index[b"bluesky:gone"])
    assert [msgspec.json.decode(each)["user"] for each in same(part)] == ["", "bluesky:here"]


@given(st.lists(st.tuples(st.integers(-(10**17), 10**17), st.integers(-(10**15), 10**15)), min_size=1, max_size=4))
def test_a_form_writes_numbers_as_the_encoder_does(pairs: list[tuple[int, int]]) -> None:
    """Also below 0, and the same number twice."""
    form = Form(ENCODER.encode({"a": mark(0), "b": [mark(1), mark(0)], "c": text_mark(0)}), (0, 3))
    nothing = np.full((len(pairs), 1), -1)
    written = form.fill(np.array(pairs), Packed.of([]).text, nothing, nothing)
    expected = [{"a": a, "b": [b / 1000, a], "c": None} for a, b in pairs]
    assert written == [ENCODER.encode(each) for each in expected]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_null(value: float) -> None:
    """As JSON has no word for it."""
    assert fixed(np.array([value, 1.005, 7.0]), 2).tolist() == [NULL, 100, 700]

"""Dead letters: untouched bytes, with the reason, until too many are refused."""

from typing import Any

import pytest

from pipeline.errors import DeadLetterLimitError
from pipeline.state.records import Refusal
from pipeline.streams.dead_letters import DETAIL_CHARS, LIMIT, WINDOW, DeadLetters, add_letters
from schemas import DeadLetter


class Sent:
    """Keeps what it is handed, as a BatchWriter would."""

    def __init__(self) -> None:
        self.records: list[tuple[Any, ...]] = []

    def add(self, *record: Any) -> None:
        """Keep a record."""
        self.records.append(record)


def refusal(offset: int = 7, *, value: bytes | None = b"{\xff", detail: str = "what was wrong") -> Refusal:
    """Return a refusal."""
    return Refusal(offset, value, "invalid_json", detail)


def test_a_refused_record_is_written_once_with_its_bytes_and_where_it_stood() -> None:
    """The key is the source topic, the value is untouched, the headers say why."""
    letters, sent = DeadLetters("clout.dead-letters"), Sent()
    letters.add("clout.likes", 3, 10, [refusal()])
    add_letters(sent, letters.topic, letters.take(), 99)  # type: ignore[arg-type]
    add_letters(sent, letters.topic, letters.take(), 100)  # type: ignore[arg-type]
    assert len(sent.records) == 1
    topic, partition, key, value, now, headers = sent.records[0]
    assert (topic, partition, key, value, now) == ("clout.dead-letters", 3, b"clout.likes", b"{\xff", 99)
    assert DeadLetter.from_headers(headers) == DeadLetter("invalid_json: what was wrong", "clout.likes", 3, 7)


def test_a_record_without_a_value_stays_without_one() -> None:
    """None is not an empty text."""
    letters, sent = DeadLetters("d"), Sent()
    letters.add("likes", 0, 1, [refusal(value=None)])
    add_letters(sent, letters.topic, letters.take(), 1)  # type: ignore[arg-type]
    assert sent.records[0][3] is None


def test_a_long_detail_is_cut() -> None:
    """It may quote the record: a header is no place for a megabyte."""
    letters, sent = DeadLetters("d"), Sent()
    letters.add("likes", 0, 1, [refusal(detail="☃" * 10_000)])
    add_letters(sent, letters.topic, letters.take(), 1)  # type: ignore[arg-type]
    assert len(DeadLetter.from_headers(sent.records[0][5]).reason) <= DETAIL_CHARS + len("invalid_json: ")


def test_when_nearly_everything_is_refused_the_input_must_be_wrong() -> None:
    """Beyond the limit of a window the worker stops, with the topics' names in the message."""
    letters = DeadLetters("clout.dead-letters")
    refused = int(WINDOW * LIMIT) + 1
    with pytest.raises(DeadLetterLimitError, match=r"clout\.likes.*clout\.dead-letters"):
        letters.add("clout.likes", 0, WINDOW, [refusal()] * refused)
    # What was folded is behind the position: the round that the stop asks for writes it.
    assert len(letters.take()) == refused


def test_bad_records_among_good_ones_stop_nothing() -> None:
    """At the limit the worker goes on, and the next window is judged by itself."""
    letters = DeadLetters("d")
    for _ in range(3):
        letters.add("likes", 0, WINDOW, [refusal()] * int(WINDOW * LIMIT))


def test_a_few_bad_records_are_no_verdict() -> None:
    """A small run that is all bad says nothing about the input."""
    letters = DeadLetters("d")
    letters.add("likes", 0, 100, [refusal()] * 100)
    letters.add("likes", 0, WINDOW, [])

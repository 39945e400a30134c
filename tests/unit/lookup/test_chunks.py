"""From fetched records to the calls of the script."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from pipeline.lookup.sink.chunks import Batch, Chunk, Range, Tally, chunks, packed
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.outlet import Outlet
from pipeline.lookup.sink.scores import SCORES
from tests.unit.lookup.documents import Record, details_bytes, records, score_bytes


def batch(values: Sequence[Record], *, position: int = 0, partition: int = 0, outlet: Outlet = SCORES) -> Batch:
    """Return records as one fetch of a partition."""
    return Batch(outlet, outlet.topic, partition, position, values)


def plan(*batches: Batch) -> tuple[list[Chunk], Tally]:
    """Return all chunks and the tally."""
    tally = Tally()
    return list(chunks(batches, tally)), tally


def test_several_partitions_share_a_chunk() -> None:
    """Small fetches of many partitions cost one call."""
    found, _ = plan(
        batch(records(score_bytes("x:a"))),
        batch(records(score_bytes("x:b"), first=7), position=7, partition=1),
        batch(records(details_bytes("x:a", {"x:b": 2})), outlet=DETAILS),
    )
    scores, details = found
    assert [write.subject for write in scores.writes] == ["x:a", "x:b"]
    assert scores.ranges == [Range("scores/0", 0, 1), Range("scores/1", 7, 8)]
    assert [write.subject for write in details.writes] == ["x:a"]
    assert details.ranges == [Range("details/0", 0, 1)]


def test_ranges_of_consecutive_chunks_touch() -> None:
    """Each chunk begins where the one before ended, so that a lost one is noticed."""
    pairs = replace(SCORES, per_call=2)
    found, _ = plan(batch(records(*(score_bytes(f"x:{n}") for n in range(5))), outlet=pairs))
    assert [chunk.ranges for chunk in found] == [
        [Range("scores/0", 0, 2)],
        [Range("scores/0", 2, 4)],
        [Range("scores/0", 4, 5)],
    ]


def test_a_range_begins_at_the_position_not_at_the_first_record() -> None:
    """Compaction leaves gaps between offsets."""
    found, _ = plan(batch(records(score_bytes("x:a"), first=57), position=50))
    assert found[0].ranges == [Range("scores/0", 50, 58)]


def test_the_newest_of_a_user_in_a_fetch_is_written() -> None:
    """The others would be replaced at once."""
    found, tally = plan(batch(records(score_bytes("x:a", 10, 1), score_bytes("x:b"), score_bytes("x:a", 20, 2))))
    assert [(write.subject, write.version) for write in found[0].writes] == [("x:b", 1), ("x:a", 2)]
    assert found[0].ranges == [Range("scores/0", 0, 3)]
    assert tally.superseded == 1


def test_a_late_older_version_does_not_hide_a_newer_one() -> None:
    """A worker that was stopped and wakes up may write an older version behind a newer one."""
    found, _ = plan(batch(records(score_bytes("x:a", 20, 2), score_bytes("x:a", 10, 1))))
    assert [write.version for write in found[0].writes] == [2]
    assert found[0].ranges == [Range("scores/0", 0, 2)]


def test_of_one_version_the_later_record_counts() -> None:
    """In whatever fetch: details change without an event when somebody they name is forgotten."""
    named, scrubbed = details_bytes("x:u", {"x:gone": 1}, 7), details_bytes("x:u", {}, 7, time=1_783_175_899_000)
    (found,), tally = plan(batch(records(named, scrubbed), outlet=DETAILS))
    assert [write.columns[2] for write in found.writes] == [scrubbed]
    assert tally.superseded == 1


def test_a_tombstone_replaces_what_was_before_it() -> None:
    """The key says whose score ends."""
    found, _ = plan(batch(records(score_bytes("x:user"), None)))
    assert [(write.subject, write.version) for write in found[0].writes] == [("x:user", None)]


def test_a_tombstone_and_documents_share_a_call() -> None:
    """Its columns are of the same types as theirs: whoever comes first."""
    for outlet, value in ((SCORES, score_bytes("x:a")), (DETAILS, details_bytes("x:a", {}))):
        for values in ((value, None), (None, value)):
            ((chunk,), _) = plan(batch(records(*values), outlet=outlet))
            unpacked = msgspec.msgpack.decode(packed(chunk.ranges, chunk.writes, quiet=False), type=list[str])
            assert unpacked[6:9] == ["2", *(["x:a", "x:user"] if values[0] else ["x:user", "x:a"])]
            assert unpacked.count(value.decode()) == 1


def test_a_record_that_does_not_decode_is_left_out_and_told() -> None:
    """The records beside it are written, and the range covers it."""
    found, tally = plan(batch(records(b"{", score_bytes("x:a"), b"[]")))
    assert [write.subject for write in found[0].writes] == ["x:a"]
    assert found[0].ranges == [Range("scores/0", 0, 3)]
    assert [(topic, offset) for topic, _, offset, _ in tally.refused] == [("scores", 0), ("scores", 2)]


def test_a_fetch_of_bad_records_alone_still_moves_the_position() -> None:
    """It must not be read again for ever."""
    found, _ = plan(batch(records(b"{")))
    assert found[0].ranges == [Range("scores/0", 0, 1)]
    assert found[0].writes == []


def test_nothing_fetched_is_no_chunk() -> None:
    """An idle topic costs no call."""
    assert plan() == ([], Tally())


def test_the_document_passes_byte_for_byte() -> None:
    """What the sink does not know of a document passes through it."""
    value = score_bytes("x:a").replace(b'"user"', b'"new":{"of":"a newer worker"},"user"', 1)
    found, _ = plan(batch(records(value)))
    assert found[0].writes[0].columns[5] == value

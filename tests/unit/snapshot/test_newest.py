"""The newest record of each row: most are copied, and only what changes is decoded."""

import numpy as np

from pipeline.snapshot.newest import NewestRows
from pipeline.state.codec import HEADER, encode_rows
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCES
from tests.unit.state.log import NOW, crowd, engagement, folded, profile

Pairs = list[tuple[bytes, bytes | None]]

COMMITTED = np.full(len(SOURCES), 1_000_000)


def town() -> Partition:
    """Return a partition with a small row, a large one, and one that is a profile."""
    return folded(
        *crowd(3, target="x:small"), *crowd(300, target="x:large", seed=2), profile("x:silent", name="Ünï", handle="s")
    )


def written(part: Partition, generation: int = 1) -> Pairs:
    """Return the changelog records of all rows."""
    rows = np.arange(len(part))
    return list(encode_rows(part, rows, np.ones(len(rows), np.bool_), generation))


def newest_of(records: Pairs, committed: np.ndarray = COMMITTED) -> NewestRows:
    """Take records, some at a time."""
    newest = NewestRows(committed)
    for first in range(0, len(records), 2):
        newest.add(*Packed.of_pairs(records[first : first + 2]))
    return newest


def copied(newest: NewestRows) -> dict[bytes, bytes]:
    """Return all copies, two at once."""
    return dict(pair for pairs in newest.copies(2) for pair in pairs)


def wanted(newest: NewestRows) -> list[bytes]:
    """Return the users whose rows must be decoded."""
    return [user or b"" for user in newest.wanted()[0]]


def test_a_copy_is_the_row_as_a_snapshot_wants_it() -> None:
    """Byte for byte what encoding the decoded row gives: of no log, of no generation, owed."""
    part = town()
    records = written(part)
    restore = Restore(Partition(0))
    restore.add(*Packed.of_pairs(records))
    restore.finish(COMMITTED)
    restored = restore.partition
    restored.settle()
    restored.positions[:] = 0
    rows = np.arange(len(restored))
    expected = dict(encode_rows(restored, rows, np.zeros(len(rows), np.bool_), 0))
    newest = newest_of(records)
    assert copied(newest) == expected
    assert wanted(newest) == []
    assert newest.as_of == part.as_of


def test_the_newest_record_of_the_highest_generation_counts() -> None:
    """Whatever came before it, and whatever a worker that had lost the partition wrote after it."""
    old, new = folded(*crowd(3, target="x:a")), folded(*crowd(9, target="x:a"))
    records = [*written(old, 1), *written(new, 2), *written(old, 1)]
    assert copied(newest_of(records)) == copied(newest_of(written(new)))


def test_rows_that_the_log_goes_on_with_are_decoded() -> None:
    """They are given as they are, and not copied; a key without a row, and none, are nobody's."""
    records = written(town())
    newest = newest_of(records)
    newest.want(Packed.of([b"x:large", b"x:unknown", None]))
    users, rows = newest.wanted()
    assert dict(zip(users, rows, strict=True)) == {user: row for user, row in records if user == b"x:large"}
    assert sorted(copied(newest)) == [b"x:silent", b"x:small"]


def test_rows_ahead_of_what_was_committed_are_decoded() -> None:
    """They were flushed in a round that never ended: the log is folded up to them again."""
    part = town()
    assert sorted(wanted(newest_of(written(part), part.positions - 1))) == [b"x:large", b"x:silent", b"x:small"]
    assert wanted(newest_of(written(part), part.positions)) == []


def test_rows_that_are_watched_for_spikes_are_decoded() -> None:
    """Time alone changes them: a drop is found because nothing comes."""
    rush = [engagement(f"x:{n}", "x:rush", time=NOW - 60_000 + n * 100) for n in range(400)]
    part = folded(*crowd(3, target="x:calm"), *rush)
    assert wanted(newest_of(written(part))) == [b"x:rush"]


def test_a_tombstone_takes_a_row_out() -> None:
    """A forgotten user is in no snapshot; who comes back has what was written since."""
    part = town()
    records = written(part)
    (small,) = [record for record in records if record[0] == b"x:small"]
    gone: Pairs = [(b"x:small", None), (b"x:large", None), (b"x:never", None)]
    newest = newest_of([*records, *gone, small])
    assert copied(newest) == {user: row for user, row in copied(newest_of(records)).items() if user != b"x:large"}
    newest.want(Packed.of([b"x:large"]))
    assert wanted(newest) == []


def test_many_rows_of_all_lengths_are_copied() -> None:
    """Room is made as they come, and runs that became free are used again."""
    part = folded(*[event for n in range(3_000) for event in crowd(1 + n % 5, target=f"x:{n}", seed=n)])
    records = written(part)
    again = copied(newest_of([*records, *records[::2]]))
    assert again.keys() == {user for user, _ in records}
    assert all(len(again[user]) == len(row or b"") for user, row in records)
    assert all(again[user][HEADER.itemsize :] == (row or b"")[HEADER.itemsize :] for user, row in records)

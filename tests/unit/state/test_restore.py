"""Rows from the changelog: what is written comes back, and the newest generation wins."""

import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from pipeline.errors import ContractError, UnsupportedVersionError
from pipeline.state.codec import META_KEY, VERSION, encode_meta, encode_rows
from pipeline.state.packed import Packed
from pipeline.state.partition import FATES, SMALL_LIMIT, Partition, StateConfig
from pipeline.state.restore import Restore
from pipeline.state.sources import PROFILES, SOURCES
from schemas import Tick
from tests.unit.state.log import (
    DAY,
    FOREVER,
    HOUR,
    NOW,
    Log,
    changelog,
    columns,
    crowd,
    document,
    documents,
    engagement,
    fold,
    folded,
    log_of,
    post,
    profile,
    restored,
)

TARGET: Final = b"bluesky:target"

BIG: Final = SMALL_LIMIT + 20
"""Events of a large row."""

Record = tuple[bytes, bytes]


def town() -> Partition:
    """Return a partition with rows of every sort: small, large, sampled, with a profile, with nothing but one."""
    return folded(
        *crowd(3, target="twitter:small"),
        *crowd(300, target="bluesky:large", seed=2),
        *crowd(2_000, target="mastodon:sampled", seed=3, days=10),
        *[post("bluesky:large", time=NOW - i * HOUR) for i in range(50)],
        post("twitter:small", time=NOW - DAY),
        profile("bluesky:large", name="Ünï ☃", handle="large.example", followers=12_345, avatar="https://x.example/a"),
        profile("github:silent", followers=-5),
    )


def row_of(part: Partition, user: bytes = TARGET, *, planned: bool = False, generation: int = 1) -> Record:
    """Return the changelog record of one row."""
    rows = np.array([part.index[user]])
    return encode_rows(part, rows, np.array([planned]), generation)[0]


def test_what_is_written_comes_back() -> None:
    """Features and documents of every sort of row survive the changelog."""
    part = town()
    back = restored(changelog(part), part.positions)
    assert columns(back) == columns(part)
    assert documents(back) == documents(part)
    assert back.fates.tolist() == part.fates.tolist()
    assert (back.as_of, back.version) == (part.as_of, part.version)


def test_what_came_back_is_written_the_same() -> None:
    """A second round through the changelog changes no byte."""
    part = town()
    records = changelog(part)
    assert sorted(changelog(restored(records, part.positions))) == sorted(records)


@pytest.mark.parametrize("days", [1, 9, 30, 89, 200])
def test_slices_that_left_the_windows_are_gone_after_a_restore(days: int) -> None:
    """A row written long before another moved the partition's time comes back as time made it."""
    log = log_of(
        *crowd(500, days=85), *crowd(5, target="bluesky:small"), *[post(time=NOW - i * DAY) for i in range(40)]
    )
    part, _ = fold(log)
    early = changelog(part)
    log.add(Tick("live", NOW + days * DAY), timestamp=NOW + days * DAY)
    fold(log, part)
    back = restored([*early, encode_meta(part, 1)], part.positions)
    assert columns(back) == columns(part)
    assert documents(back) == documents(part)


def test_the_fold_goes_on_after_a_restore_as_if_nothing_had_been() -> None:
    """Positions at what the rows absorbed: the rest of the log gives what the whole log gives."""
    log = log_of(*crowd(200), *crowd(10, target="bluesky:small"))
    part, _ = fold(log)
    back = restored(changelog(part), part.positions)
    for event in [*crowd(200, seed=5), *crowd(40, target="bluesky:small", seed=6)]:
        log.add(event)
    fold(log, back)
    whole, _ = fold(log)
    assert columns(back) == columns(whole)
    assert documents(back) == documents(whole)
    assert back.fates.tolist() == whole.fates.tolist()


def test_nothing_is_counted_twice_when_the_log_is_read_again() -> None:
    """Committed positions behind the rows: what they absorbed is skipped, with its fate counted once."""
    log = log_of(*crowd(100), *crowd(10, target="bluesky:small"), post(), profile(followers=3))
    part, _ = fold(log)
    back = restored(changelog(part))
    assert back.version == 0
    fold(log, back, step=7, settle=True)
    assert columns(back) == columns(part)
    assert documents(back) == documents(part)
    assert back.fates.tolist() == part.fates.tolist()
    assert back.applied is None


def test_rows_that_absorbed_different_parts_of_the_log_meet_again() -> None:
    """Each row skips up to its own positions, however far the others are."""
    log = log_of(*crowd(20), *crowd(20, target="bluesky:other", seed=2))
    part, _ = fold(log)
    first = changelog(part)[:1]
    for event in [*crowd(60, seed=3), *crowd(60, target="bluesky:other", seed=4)]:
        log.add(event)
    fold(log, part)
    last = changelog(part)[1:]
    back = restored([*first, *last])
    fold(log, back, step=11)
    whole, _ = fold(log)
    assert columns(back) == columns(whole)


def test_what_is_skipped_is_owed() -> None:
    """The crash may have come between the flush and the emission: a skipped event marks its row."""
    log = log_of(*crowd(5))
    part, _ = fold(log)
    back = restored(changelog(part), part.positions)
    assert not back.owed[: len(back)].any()
    back = restored(changelog(part))
    back.owed[:] = False
    fold(log, back)
    assert back.owed[: len(back)].all()


def test_a_row_is_owed_unless_its_round_ended() -> None:
    """Owed: what no round planned to emit, and what a round planned that did not commit."""
    part = folded(*crowd(5))
    committed, behind = part.positions.copy(), np.maximum(part.positions - 1, 0)
    for planned, positions, owed in [
        (True, committed, False),
        (True, behind, True),
        (False, committed, True),
        (False, behind, True),
    ]:
        back = restored([row_of(part, planned=planned)], positions)
        assert bool(back.owed[0]) is owed, (planned, positions)
        assert not back.dirty[0]


def test_applied_positions_are_kept_only_while_catching_up() -> None:
    """They cost 56 bytes a row: none when nothing is ahead, and gone when the fold has caught up."""
    log = log_of(*crowd(5))
    part, _ = fold(log)
    assert restored(changelog(part), part.positions).applied is None
    back = restored(changelog(part))
    assert back.applied is not None
    fold(log, back)
    assert back.applied is None


def test_a_row_that_is_written_while_catching_up_keeps_what_it_had_absorbed() -> None:
    """A crash, a round before the fold has caught up, a second crash: nothing is counted twice."""
    log = log_of(engagement(kind="follow"), post())
    part = Partition(0, FOREVER)
    part.fold(4, log.run(4, 0))
    part.settle()
    back = restored(changelog(part))
    back.fold(3, log.run(3, 0))
    back.settle()
    again = restored(changelog(back))
    fold(log, again)
    assert columns(again) == columns(fold(log)[0])


def test_fates_that_are_written_while_catching_up_are_counted_once() -> None:
    """The same for the counters of the partition."""
    log = log_of(*crowd(8))
    part, _ = fold(log)
    again = restored(changelog(restored(changelog(part))))
    fold(log, again)
    assert again.fates.sum() == len(log)


def test_a_repeated_id_is_found_across_a_crash() -> None:
    """An agent resumes from an older cursor while the worker is restarted: the id still counts once."""
    event = engagement()
    log = log_of(event)
    part, _ = fold(log)
    back = restored(changelog(part), part.positions)
    for source in (0, 1, 2, 3, 4):
        if part.positions[source]:
            back.remember(source, log.run(source, 0))
    log.add(event)
    fold(log, back)
    assert columns(back) == columns(fold(log)[0])


def remembering(log: Log, part: Partition) -> Partition:
    """Restore a partition as a worker does that reads ids again."""
    back = restored(changelog(part), part.positions, part.config)
    for source in range(PROFILES):
        back.remember(source, log.run(source, back.reads_from(source), int(back.positions[source])))
    return back


def test_a_repeated_id_is_found_in_a_log_of_old_events() -> None:
    """The newest event stands before all that is read again: how long ago an id was is told by it."""
    newest, *old = engagement(id="x:now"), *[engagement(id=f"x:{n}", time=NOW - (20 - n) * DAY) for n in range(20)]
    log = log_of(newest, *old)
    part, _ = fold(log, Partition(0, StateConfig(dedupe_ids=40)))
    part.committed[:] = part.positions
    back = remembering(log, part)
    assert back.reads_from(0) == 11
    again = remembering(log, back)
    log.add(old[12])
    for each in (part, back, again):
        fold(log, each)
        assert each.fates[FATES.index("duplicate")] == 1
    assert columns(again) == columns(back) == columns(part)


def test_the_logs_time_is_known_when_nothing_can_be_read_again() -> None:
    """Retention took what stood before the position: a repeat is told by how late it was all the same."""
    config = StateConfig(dedupe_ids=4)
    log = log_of(engagement(), *[engagement(time=NOW - n * DAY) for n in (9, 8)])
    part, _ = fold(log, Partition(0, config))
    part.committed[:] = part.positions
    back = restored(changelog(part), part.positions, config)
    twice = engagement(time=NOW - 7 * DAY)
    for event in (twice, engagement(time=NOW - 2 * DAY), twice):
        log.add(event)
    wide = StateConfig(dedupe_ids=40)
    back.config, part.config = wide, wide
    assert fold(log, back)[0].fates.tolist() == fold(log, part)[0].fates.tolist()


def test_the_id_of_a_refused_record_is_not_remembered() -> None:
    """It counted for nobody, before the crash and after it."""
    log = Log()
    log.add(engagement(target="nobody", id="x:1"))
    part, refusals = fold(log)
    assert [refusal.reason for refusal in refusals] == ["invalid_user"]
    back = remembering(log, part)
    log.add(engagement(id="x:1"))
    fold(log, part)
    fold(log, back)
    assert columns(back) == columns(part)
    assert back.fates.tolist() == part.fates.tolist()


def test_an_empty_changelog_leaves_an_empty_partition() -> None:
    """A first start has nothing to restore."""
    back = restored([])
    assert len(back) == 0
    assert back.applied is None
    assert back.version == 0


def test_the_last_record_of_a_row_counts() -> None:
    """Within a generation the log's order decides."""
    log = log_of(*crowd(5))
    part, _ = fold(log)
    old = row_of(part)
    log.add(engagement())
    fold(log, part)
    assert columns(restored([old, row_of(part)], part.positions)) == columns(part)


def test_a_deleted_row_does_not_hurt() -> None:
    """A record without a value says nothing."""
    part = folded(*crowd(5))
    restore = Restore(Partition(0, FOREVER))
    restore.add(*Packed.of_pairs([(b"bluesky:gone", None), row_of(part)]))
    restore.finish(part.positions)
    assert columns(restore.partition) == columns(part)


# -- generations


def two_generations(zombie: int, owner: int) -> tuple[Partition, Partition]:
    """Return what a worker that had lost the partition made of it, and what the new owner made, of so many events."""
    events = crowd(max(zombie, owner))
    return folded(*events[:zombie]), folded(*events[:owner])


@pytest.mark.parametrize(
    ("late", "zombie", "owner"),
    [
        *[
            (late, *sizes)
            for late in (True, False)
            for sizes in [(3, 5), (BIG, BIG + 9), (5, BIG), (BIG + 9, BIG), (5, 3)]
        ],
        (True, BIG, 5),
        pytest.param(
            False,
            BIG,
            5,
        ),
    ],
)
def test_the_highest_generation_wins_whatever_the_order(late: bool, zombie: int, owner: int) -> None:
    """Of a zombie's record and the owner's, the owner's counts: small or large, before or after."""
    lost, held = two_generations(zombie, owner)
    records = [row_of(held, generation=4), row_of(lost, generation=3)]
    back = restored(records if late else records[::-1], held.positions)
    back.as_of = held.as_of
    assert columns(back) == columns(held)
    assert documents(back) == documents(held)


def test_a_zombies_profile_goes_with_its_row() -> None:
    """What a row of a lower generation said is replaced as a whole."""
    lost = folded(*crowd(5), profile(name="Nobody", followers=9))
    held = folded(*crowd(5))
    back = restored([row_of(lost, generation=3), row_of(held, generation=4)], held.positions)
    assert document(back).name is None
    assert columns(back)["followers"] == [-1]


def test_the_counters_of_a_zombie_do_not_replace_the_owners() -> None:
    """The partition's own record, too, is the one of the highest generation."""
    lost, held = two_generations(3, 9)
    back = restored([encode_meta(held, 4), encode_meta(lost, 3)], held.positions)
    assert back.fates.tolist() == held.fates.tolist()


def test_offsets_that_a_zombie_committed_are_not_believed() -> None:
    """They are beyond the owner's rows, and its own have lost: what lies between would be nobody's."""
    log = log_of(*crowd(9))
    owner, zombie = Partition(0, FOREVER), Partition(0, FOREVER)
    for part, end in ((owner, 2), (zombie, 9)):
        for source in range(len(SOURCES)):
            part.fold(source, log.run(source, 0, end))
        part.settle()
    assert (zombie.positions > owner.positions).any()
    back = restored([*changelog(zombie, generation=3), *changelog(owner, generation=4)], zombie.positions)
    assert back.positions.tolist() == owner.positions.tolist()
    fold(log, back)
    truth, _ = fold(log)
    assert columns(back) == columns(truth)
    assert back.fates.tolist() == truth.fates.tolist()


def test_rows_of_a_flush_that_was_cut_off_are_believed_before_a_zombies_offsets() -> None:
    """A zombie wrote and committed; the owner's first flush lost its end, where the partition's own record stands."""
    log = log_of(*(engagement() for _ in range(5)))
    owner, zombie = Partition(0, FOREVER), Partition(0, FOREVER)
    for part, end in ((owner, 4), (zombie, 5)):
        part.fold(0, log.run(0, 0, end))
        part.settle()
    back = restored([*changelog(zombie, generation=3), row_of(owner, generation=4)], zombie.positions)
    assert back.positions[0] == 4
    fold(log, back)
    truth, _ = fold(log)
    assert columns(back) == columns(truth)
    assert back.fates.tolist() == truth.fates.tolist()


@pytest.mark.parametrize("late", [True, False])
def test_it_is_known_how_far_a_zombie_had_come(late: bool) -> None:
    """Its documents may be newer than what follows. Whose records come before those that replace them is none."""
    lost, held = two_generations(9, 5)
    records = [*changelog(held, generation=4), *changelog(lost, generation=3)]
    restore = Restore(Partition(0, FOREVER))
    for record in records if late else records[::-1]:
        restore.add(*Packed.of_pairs([record]))
    assert restore.overtaken_to == (lost.positions.sum() if late else -1)


def test_a_row_that_a_zombie_overwrote_is_written_again() -> None:
    """Compaction keeps the last record of a key: the owner's must follow the zombie's, whole and above both."""
    lost, held = two_generations(9, 5)
    theirs, late = row_of(held, generation=4), row_of(lost, generation=3)
    back = restored([theirs, late], held.positions)
    assert back.dirty[back.index[TARGET]]
    back.write_as(2)
    again = row_of(back, generation=back.writer)
    assert back.writer > 4
    # After compaction it is alone, or follows the zombie's; before, it follows both.
    for records in ([again], [late, again], [theirs, late, again]):
        last = restored(records, held.positions)
        assert columns(last) == columns(held)
        assert last.generation[last.index[TARGET]] == back.writer
        assert not last.dirty[last.index[TARGET]]


def test_a_new_owner_writes_above_whoever_had_the_partition() -> None:
    """However often the group was balanced anew while they had it, and though they wrote nothing of it then."""
    begun = changelog(folded(engagement()), generation=3)
    zombie, owner = restored(begun), restored(begun)
    for generation in (5, 6, 7):
        zombie.write_as(generation)
    owner.write_as(8)
    assert 3 < zombie.writer < owner.writer


# -- what cannot be read


def meta_with(version: int, *, more: bytes = b"") -> Record:
    """Return a partition's own record that says it is of a version."""
    key, value = encode_meta(folded(engagement()), 1)
    return key, bytes([version]) + value[1:] + more


def row_with(change: Callable[[bytes], bytes], part: Partition | None = None) -> Record:
    """Return a row whose bytes were changed."""
    key, value = row_of(part or folded(*crowd(5)))
    return key, change(value)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(lambda: row_with(lambda value: bytes([VERSION + 1]) + value[1:]), id="row"),
        pytest.param(lambda: row_with(lambda value: b"\xff" + value[1:40]), id="short row"),
        pytest.param(lambda: meta_with(VERSION + 1), id="partition"),
        pytest.param(
            lambda: meta_with(VERSION + 1, more=b"\x00" * 8),
            id="longer partition",
        ),
    ],
)
def test_what_a_newer_program_wrote_is_not_read(record: Callable[[], Record]) -> None:
    """An unknown version is an error that says to upgrade, never a guess."""
    with pytest.raises(UnsupportedVersionError, match="version"):
        restored([record()])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda value: b"", id="empty"),
        pytest.param(lambda value: b"\x00" + value[1:], id="version 0"),
        pytest.param(lambda value: value[:1], id="version only"),
        pytest.param(lambda value: value[:60], id="half a header"),
        pytest.param(lambda value: value[:-1], id="last byte gone"),
        pytest.param(lambda value: value + b"\x00", id="a byte too many"),
        pytest.param(lambda value: value[:100] + value[101:], id="a byte gone within"),
    ],
)
@pytest.mark.parametrize("n", [5, BIG])
def test_a_damaged_row_is_a_named_error(change: Callable[[bytes], bytes], n: int) -> None:
    """Small or large, cut or grown: a ContractError that names the row."""
    with pytest.raises(ContractError, match="bluesky:target"):
        restored([row_with(change, folded(*crowd(n)))])


_LENGTHS: Final = struct.calcsize(f"<BBBxIqqf{len(SOURCES)}q")


def _moved(value: bytes, by: int) -> bytes:
    """Say that the body is `by` bytes longer and the text as much shorter."""
    body, text, sections = struct.unpack_from("<III", value, _LENGTHS)
    return value[:_LENGTHS] + struct.pack("<III", body + by, text - by, sections) + value[_LENGTHS + 12 :]


def _without_body(value: bytes) -> bytes:
    """Say that all of the body is text."""
    return _moved(value, -struct.unpack_from("<I", value, _LENGTHS)[0])


@pytest.mark.parametrize(
    ("n", "change"),
    [
        pytest.param(5, lambda value: _moved(value, 1), id="events cut"),
        pytest.param(BIG, lambda value: _moved(value, 1), id="sample cut"),
        pytest.param(BIG, _without_body, id="no body"),
        pytest.param(5, lambda value: value[:1] + b"\x01" + value[2:], id="small as large"),
        pytest.param(5, lambda value: value[:1] + b"\x07" + value[2:], id="small, no such tier"),
        pytest.param(BIG, lambda value: value[:1] + b"\x07" + value[2:], id="large, no such tier"),
    ],
)
def test_a_row_with_a_broken_body_is_a_named_error(n: int, change: Callable[[bytes], bytes]) -> None:
    """Lengths that add up around a body that does not: a ContractError, not numpy's own words."""
    key, value = row_of(folded(*crowd(n)))
    with pytest.raises(ContractError):
        restored([(key, change(value))])


@pytest.mark.parametrize("value", [None, b"", b"\x01", b"\x01" + b"\x00" * 200])
def test_a_partitions_own_record_of_another_size_is_a_named_error(value: bytes | None) -> None:
    """It stands for the fates counted: a guess would break their sum."""
    with pytest.raises(ContractError, match="partition"):
        restored([(META_KEY, value)])  # type: ignore[list-item]


def test_no_row_can_have_the_partitions_key() -> None:
    """A user id has a network before its first colon; the key has none."""
    log = Log()
    log.raw(0, META_KEY, b'{"id":"x","kind":"like","network":"n","actor":"n:a","target":"\\u0000partition","time":1}')
    part, refusals = fold(log)
    assert [refusal.reason for refusal in refusals] == ["invalid_user"]
    assert META_KEY not in part.index


def test_ids_with_separators_survive_the_changelog() -> None:
    """Tabs and newlines in ids of actors, posts and tags, in small and in large rows."""
    odd: dict[str, Any] = {"object": "at://a\nb\tc", "tags": ["one\ttwo", "three\nfour"]}
    for n in (3, BIG):
        part = folded(*[engagement(f"bluesky:a\n{i}\t\u2028\r\x1f", **odd) for i in range(n)])
        back = restored(changelog(part), part.positions)
        assert documents(back) == documents(part)
        assert back.fates.sum() == n
        assert len(FATES) == len(back.fates)

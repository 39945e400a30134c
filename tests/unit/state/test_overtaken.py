"""What a zombie wrote after the owner had recovered: which rows the owner must write again."""

from typing import Final

import pytest

from pipeline.errors import ContractError, UnsupportedVersionError
from pipeline.state.codec import VERSION, encode_meta
from pipeline.state.overtaken import Overtaken
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from tests.unit.state.log import changelog, engagement, folded

USERS: Final = ("bluesky:a", "bluesky:b", "bluesky:c")

Record = tuple[bytes, bytes | None]


def partition(*users: str) -> Partition:
    """Return a partition that knows some users."""
    return folded(*(engagement(target=user, id=f"bluesky:{user}") for user in users))


def owner(*users: str) -> Partition:
    """Return one that its owner writes as the generation 4, and now 6."""
    part = partition(*users)
    part.write_as(4)
    part.write_as(6)
    return part


def overtaken(part: Partition, *records: Record) -> Overtaken:
    """Return what is found among some records that were written since."""
    found = Overtaken(part)
    found.add(*Packed.of_pairs(list(records)))
    return found


def names(part: Partition, found: Overtaken) -> list[str]:
    """Return the users whose rows must be written again."""
    return [part.ids[row].decode() for row in found.rows().tolist()]


def test_a_zombies_rows_are_found() -> None:
    """They are the last of their users."""
    part, zombie = owner(*USERS), partition(USERS[0], USERS[2])
    found = overtaken(part, *changelog(part, generation=4), *changelog(zombie, generation=3))
    assert names(part, found) == [USERS[0], USERS[2]]
    assert found.records == 3, "two rows and the partition's own"
    assert found.position == zombie.positions.sum()


def test_what_the_owner_wrote_after_it_is_left_alone() -> None:
    """Compaction keeps the owner's."""
    part, zombie = owner(*USERS), partition(*USERS[:2])
    found = overtaken(part, *changelog(zombie, generation=3), *changelog(partition(USERS[0]), generation=6))
    assert names(part, found) == [USERS[1]]


@pytest.mark.parametrize("generation", [4, 5, 6])
def test_whatever_the_owner_wrote_is_its_own(generation: int) -> None:
    """In each generation of the group since it has the partition."""
    part = owner(*USERS)
    found = overtaken(part, *changelog(part, generation=generation))
    assert (names(part, found), found.records) == ([], 0)


def test_the_last_of_several_fetches_counts() -> None:
    """Records come a fetch at a time."""
    part, zombie = owner(*USERS), partition(*USERS)
    found = overtaken(part, *changelog(zombie, generation=3))
    found.add(*Packed.of_pairs(changelog(partition(USERS[1]), generation=6)))
    assert names(part, found) == [USERS[0], USERS[2]]


def test_rows_that_the_owner_does_not_have_are_none_of_its_own() -> None:
    """It folds these events yet, and then writes the row."""
    part = owner(USERS[0])
    found = overtaken(part, *changelog(partition(USERS[1]), generation=3))
    assert names(part, found) == []
    assert found.records == 2


def test_a_row_that_came_while_it_was_read_is_none_of_its_own() -> None:
    """It is written in the next round in any case."""
    part = owner(USERS[0])
    found = Overtaken(part)
    part.add_rows(Packed.of([USERS[1].encode()]))
    found.add(*Packed.of_pairs(changelog(partition(*USERS[:2]), generation=3)))
    assert names(part, found) == [USERS[0]]


def test_a_forgotten_user_is_deleted_again() -> None:
    """Else compaction would bring them back."""
    part = owner(USERS[0])
    part.decisions.forgotten.add(USERS[1], 1)
    found = overtaken(part, *changelog(partition(*USERS), generation=3))
    assert found.forgotten == {USERS[1].encode()}


def test_a_tombstone_of_a_row_that_is_there_is_written_over() -> None:
    """Nobody signs a tombstone."""
    part = owner(*USERS[:2])
    found = overtaken(part, (USERS[0].encode(), None), (USERS[2].encode(), None))
    assert names(part, found) == [USERS[0]]


def test_a_record_of_a_newer_program_is_refused() -> None:
    """What it says of its writer is not known."""
    part = owner(USERS[0])
    key, value = encode_meta(part, 3)
    with pytest.raises(UnsupportedVersionError):
        overtaken(part, (key, bytes([VERSION + 1]) + value[1:]))


def test_a_row_that_is_cut_off_is_an_error() -> None:
    """As it is for whoever recovers."""
    part = owner(USERS[0])
    (key, value), *_ = changelog(part, generation=3)
    with pytest.raises(ContractError, match="cut off"):
        overtaken(part, (key, value[:20]))

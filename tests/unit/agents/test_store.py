"""The durable memory: bounded, exact, and the same after a crash."""

from pathlib import Path

import pytest

from agents.store import DurableMemory
from pipeline.errors import ConfigError
from schemas import Post, Profile
from tests.unit.agents.samples import like


def reopened(memory: DurableMemory, path: Path) -> DurableMemory:
    """Return what a new process finds after a crash."""
    memory.close()
    return DurableMemory(path, 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the memory is."""
    return tmp_path / "deep" / "memory.sqlite"


def test_what_was_published_is_known_after_a_crash(path: Path) -> None:
    """A batch is written when it ends, before it is published."""
    memory = DurableMemory(path, 100)
    post = Post(id="n:p", network="n", author="n:a", time=1, tags=["x"])
    memory.remember(like(actor_score=43.2))
    memory.remember(post)
    memory.end_batch()
    memory = reopened(memory, path)
    assert memory.take(like().id) == like(actor_score=43.2)
    assert memory.take("n:p") == post
    assert memory.take("n:other") is None


def test_what_is_read_again_is_published_as_it_was(path: Path) -> None:
    """A second look-up of the stamps may give others."""
    memory = DurableMemory(path, 100)
    assert memory.remember(like(actor_nth=1)).actor_nth == 1
    assert memory.remember(like(actor_nth=2)).actor_nth == 1
    memory.end_batch()
    assert memory.remember(like(actor_nth=3)).actor_nth == 1


def test_a_deletion_is_found_again_until_its_undo_is_acknowledged(path: Path) -> None:
    """The undo of a killed agent may never have reached the broker."""
    memory = DurableMemory(path, 100)
    memory.remember(like())
    memory.end_batch()
    assert memory.take(like().id) == like()
    assert memory.take(like().id) is None, "withdrawn once"
    memory.end_batch()
    memory.save(1)
    memory = reopened(memory, path)
    assert memory.take(like().id) == like()
    memory.end_batch()
    memory.save(1)
    memory = reopened(memory, path)
    assert memory.take(like().id) is None


def test_the_oldest_are_forgotten(path: Path) -> None:
    """The number of entries is bounded."""
    memory = DurableMemory(path, 100)
    for n in range(1_000):
        memory.remember(like(n))
        memory.end_batch()
    memory.save(1_000)
    assert memory.take(like(899).id) is None
    assert memory.take(like(900).id) == like(900)


def test_a_profile_keeps_what_a_newer_one_does_not_say(path: Path) -> None:
    """A handle comes alone, and so does a name."""
    memory = DurableMemory(path, 100)
    memory.complete(Profile(user="n:a", network="n", time=1, handle="ada", name="A"))
    memory.end_batch()
    memory = reopened(memory, path)
    whole = memory.complete(Profile(user="n:a", network="n", time=2, name="Ada"))
    assert whole == Profile(user="n:a", network="n", time=2, handle="ada", name="Ada")


def test_two_processes_do_not_share_a_memory(path: Path) -> None:
    """The second is told."""
    memory = DurableMemory(path, 100)
    memory.remember(like())
    memory.end_batch()
    with pytest.raises(ConfigError, match="another agent of this name uses it"):
        DurableMemory(path, 100)
    memory.close()


def test_a_damaged_file_is_named(path: Path) -> None:
    """The message says what to do."""
    path.parent.mkdir()
    path.write_bytes(b"nonsense" * 1_000)
    with pytest.raises(ConfigError, match="remove it to begin anew"):
        DurableMemory(path, 100)

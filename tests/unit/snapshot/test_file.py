"""The snapshot file: what was written is read, and nothing else is taken for it."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, ContractError, SnapshotWriteError, UnsupportedVersionError
from pipeline.snapshot import file
from pipeline.snapshot.blocks import Block, End, Head, Ids, LogRecord, LogRecords, PartitionHead, Rows
from pipeline.snapshot.file import SnapshotWriter, read_blocks
from pipeline.state.origin import OriginIds

BLOCKS: list[Block] = [
    Head("id", 1_783_175_888_085, "0.1.0", "clout.", 1),
    PartitionHead(0, 12, 1_783_175_888_085, {"likes": 7, "ticks": 5}, {"applied": 12}),
    Ids(0, OriginIds("likes", b"k" * 8, b"c" * 4, b"d" * 4, b"h" * 4, b"s" * 16)),
    Rows(0, [(b"x:a", b"\x02row" * 100), (b"x:b", b"")]),
    LogRecords("control", 0, [LogRecord(3, 1, b"key", None, [("header", b"\x00")]), LogRecord(4, 1, None, b"{}", [])]),
]


def write(path: Path, blocks: list[Block] = BLOCKS) -> Path:
    """Write a snapshot."""
    with SnapshotWriter(path) as writer:
        for block in blocks:
            writer.add(block)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Block for block, and at the end how much it was."""
    path = write(tmp_path / "new" / "rows.clout")
    assert list(read_blocks(path)) == [*BLOCKS, End(2, 2)]
    assert [each.name for each in path.parent.iterdir()] == ["rows.clout"], "nothing else is left"


def test_an_error_while_writing_keeps_the_older_one(tmp_path: Path) -> None:
    """The name stands for a whole snapshot at every moment."""
    path = write(tmp_path / "rows.clout")

    def fail() -> None:
        with SnapshotWriter(path) as writer:
            writer.add(BLOCKS[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(read_blocks(path))[:-1] == BLOCKS
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """Its file is named by its number; that of one that still writes is left alone."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, busy = (tmp_path / f".snapshot.{pid}" for pid in (ended.pid, os.getppid()))
    for path in (left, busy):
        path.write_bytes(b"half a snapshot")
    write(tmp_path / "snapshot")
    assert not left.exists()
    assert busy.exists()


def test_a_full_disk_is_told_and_the_older_one_is_kept(tmp_path: Path) -> None:
    """The system's reason, the file, what to do, and what there is now."""
    path = write(tmp_path / "rows.clout")
    script = (
        "import os; from pathlib import Path; from pipeline.snapshot.blocks import Rows;"
        "from pipeline.snapshot.file import SnapshotWriter; from pipeline.errors import SnapshotWriteError\n"
        "try:\n"
        f"  with SnapshotWriter(Path({str(path)!r})) as writer:\n"
        "    for number in range(100): writer.add(Rows(0, [(b'x:a', os.urandom(10_000))]))\n"
        "except SnapshotWriteError as exc: print(exc)\n"
    )

    def fill_up() -> None:
        # A file may grow no further: the system answers as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=fill_up, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"cannot write the snapshot {path} (File too large): make room, or name another place; "
        "the one that was there is as it was\n"
    )
    assert list(read_blocks(path))[:-1] == BLOCKS
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A directory stands where a file should."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotWriteError, match=r"cannot write the snapshot .*rows\.clout \(.*\): make room"):
        write(tmp_path / "file" / "rows.clout")


def flip(content: bytes) -> bytes:
    """Change a byte in the middle."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def cut(content: bytes) -> bytes:
    """Lose the end of the last block."""
    return content[:-3]


def drop_last(content: bytes) -> bytes:
    """Lose the last block as a whole."""
    return content[: content.rindex(last_block(content))]


def swap(content: bytes) -> bytes:
    """Move the last block to the front."""
    last = last_block(content)
    return content[: file._FILE.size] + last + content[file._FILE.size : -len(last)]


def last_block(content: bytes) -> bytes:
    """Return the last block with its head."""
    at, begin = file._FILE.size, 0
    while at < len(content):
        begin = at
        at += file._BLOCK.size + file._BLOCK.unpack_from(content, at)[0]
    return content[begin:]


@pytest.mark.parametrize("harm", [flip, cut, drop_last, swap], ids=lambda harm: harm.__name__)
def test_damage_is_found(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    """A changed byte, a lost end, a lost block, a block at another place."""
    path = write(tmp_path / "rows.clout")
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ContractError, match=r"rows\.clout is damaged: block \d is .*; take another one"):
        list(read_blocks(path))


def test_a_length_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    """Damage must not ask for gigabytes of memory."""
    path = write(tmp_path / "rows.clout")
    content = bytearray(path.read_bytes())
    content[file._FILE.size : file._FILE.size + 4] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(ContractError, match="block 0 is said to have 4294967295 bytes"):
        list(read_blocks(path))


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    """With what to do."""
    path = write(tmp_path / "rows.clout")
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\x09" + content[9:])
    with pytest.raises(UnsupportedVersionError, match=r"is of version 9, this program reads up to 1: upgrade it"):
        list(read_blocks(path))


def test_another_file_is_no_snapshot(tmp_path: Path) -> None:
    """Also an empty one."""
    for content in (b"", b"PK\x03\x04 and so on"):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ContractError, match="is no snapshot of this program"):
            list(read_blocks(tmp_path / "other"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With how to get one."""
    with pytest.raises(ConfigError, match=r"cannot read the snapshot .*nowhere \(No such file or directory\)"):
        list(read_blocks(tmp_path / "nowhere"))


def test_a_file_of_every_version_is_read() -> None:
    """Golden files, written by the program of their time (`write` above): today's reads the same from them."""
    (path,) = (Path(__file__).parent / "golden" / "v1").iterdir()
    assert list(read_blocks(path)) == [*BLOCKS, End(2, 2)]

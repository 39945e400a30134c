"""
The snapshot file: blocks one after the other, each with its checksum, written whole or not at all.

    magic, version      8 bytes, u4
    block               stored length u4, length u4, checksum u8, then MessagePack compressed by zstd
    ..

A block's checksum (XXH3) begins with that of the block before it: none can be missing, doubled or moved.
"""

import itertools
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import BinaryIO, Final, Self

import cramjam
import msgspec
import xxhash

from pipeline.errors import ConfigError, ContractError, SnapshotWriteError, UnsupportedVersionError
from pipeline.snapshot.blocks import Block, End, LogRecords, Rows

VERSION: Final = 1
_MAGIC: Final = b"CLOUTSNP"
_FILE: Final = Struct("<8sI")
_BLOCK: Final = Struct("<IIQ")
_LARGEST: Final = 1 << 28
"""Bytes of a block: a length beyond it is damage, not a block."""
_LEVEL: Final = 1
"""zstd's: rows shrink to a third, at the speed of a disk."""

_WAITING: Final = 4
"""Blocks that wait to be written, at most."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Block]] = msgspec.msgpack.Decoder(Block)


def is_snapshot(path: Path) -> bool:
    """
    Tell whether a file begins like a snapshot.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class SnapshotWriter:
    """
    Writes a snapshot; it takes the place of an older one when all of it is on the disk.

    Leaving the context ends the file; leaving it with an error removes what was written and keeps the older one.
    `rows`, `records` and `bytes` are what it has then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        self._file: BinaryIO | None = None
        self._checksum = 0
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self.rows = 0
        self.records = 0
        self.bytes = _FILE.size

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(self._path)
            self._file = self._unfinished.open("wb")
            self._file.write(_FILE.pack(_MAGIC, VERSION))
        except OSError as exc:
            raise self._error(exc) from exc
        return self

    def add(self, block: Block) -> None:
        """
        Write a block, later and in another thread: the next one can be made meanwhile.

        Raises:
            SnapshotWriteError: The disk is full, or whatever the system says; maybe of a block before this one.
        """
        if isinstance(block, Rows):
            self.rows += len(block.rows)
        elif isinstance(block, LogRecords):
            self.records += len(block.records)
        self._waiting.append(self._thread.submit(self._write, _ENCODER.encode(block)))
        if len(self._waiting) > _WAITING:
            self._waiting.popleft().result()

    def _write(self, content: bytes) -> None:
        """Compress a block and write it; in the thread, after all before it."""
        assert self._file is not None
        stored = bytes(cramjam.zstd.compress(content, _LEVEL))
        self._checksum = xxhash.xxh3_64_intdigest(stored, self._checksum)
        try:
            self._file.write(_BLOCK.pack(len(stored), len(content), self._checksum))
            self._file.write(stored)
            self.bytes += _BLOCK.size + len(stored)
        except OSError as exc:
            raise self._error(exc) from exc

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._remove()

    def _finish(self) -> None:
        self.add(End(self.rows, self.records))
        while self._waiting:
            self._waiting.popleft().result()
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._unfinished.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as exc:
            raise self._error(exc) from exc

    def _remove(self) -> None:
        if self._file is not None:
            # What is still in its buffer does not fit either.
            with suppress(OSError):
                self._file.close()
        self._unfinished.unlink(missing_ok=True)

    def _error(self, exc: OSError) -> SnapshotWriteError:
        before = "the one that was there is as it was" if self._path.exists() else "there is none now"
        return SnapshotWriteError(
            f"cannot write the snapshot {self._path} ({exc.strerror}): make room, or name another place; {before}"
        )


def _remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed had written of this snapshot."""
    for unfinished in path.parent.glob(f".{path.name}.*"):
        owner = unfinished.suffix.removeprefix(".")
        if owner.isdigit() and not _is_running(int(owner)):
            unfinished.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody else's.
        return True
    return True


def _sync_directory(directory: Path) -> None:
    """Make sure that the new name outlives a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_blocks(path: Path) -> Iterator[Block]:
    """
    Yield the blocks of a snapshot, the last one `End`; one at a time is in memory.

    Raises:
        ConfigError: There is no such file, or it cannot be read.
        ContractError: It is no snapshot, or damaged.
        UnsupportedVersionError: A newer program wrote it.
    """
    for number, (stored, length) in enumerate(_stored_blocks(path)):
        try:
            content = bytes(cramjam.zstd.decompress(stored, output_len=length))
            yield _DECODER.decode(content)
        except (cramjam.DecompressionError, msgspec.MsgspecError) as exc:
            raise ContractError(f"block {number} of the snapshot {path} cannot be read: {exc}") from exc


def _stored_blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    try:
        file = path.open("rb")
    except OSError as exc:
        raise ConfigError(f"cannot read the snapshot {path} ({exc.strerror}): `clout snapshot` takes one") from exc
    with file:
        _check_head(path, file.read(_FILE.size))
        checksum, last = 0, b""
        for number in itertools.count():
            head = file.read(_BLOCK.size)
            if not head:
                break
            if len(head) < _BLOCK.size:
                raise _damaged(path, number, "cut off")
            size, length, expected = _BLOCK.unpack(head)
            if max(size, length) > _LARGEST:
                raise _damaged(path, number, f"said to have {max(size, length)} bytes")
            last = file.read(size)
            checksum = xxhash.xxh3_64_intdigest(last, checksum)
            if len(last) < size or checksum != expected:
                raise _damaged(path, number, "not what was written")
            yield last, length
        if not last or not isinstance(_DECODER.decode(bytes(cramjam.zstd.decompress(last))), End):
            raise _damaged(path, number, "missing")


def _check_head(path: Path, head: bytes) -> None:
    if len(head) < _FILE.size or not head.startswith(_MAGIC):
        raise ContractError(f"{path} is no snapshot of this program")
    _, version = _FILE.unpack(head)
    if version > VERSION:
        raise UnsupportedVersionError(
            f"the snapshot {path} is of version {version}, this program reads up to {VERSION}: upgrade it"
        )


def _damaged(path: Path, number: int, what: str) -> ContractError:
    return ContractError(f"the snapshot {path} is damaged: block {number} is {what}; take another one, or move it away")

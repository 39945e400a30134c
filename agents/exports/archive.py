"""The documents of an export: a zip file, or the folder that it was unpacked to. Nothing is ever written."""

import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from pipeline.errors import ConfigError, ContractError

MEMBER_BYTES: Final = 256 << 20
"""The longest document that is read, unpacked. Networks cut theirs into parts long before that."""
EXPORT_BYTES: Final = 1 << 30
"""All documents together: they are kept until they are in the order of time."""
_DIRECTORY_BYTES: Final = 32 << 20
"""The list of a zip's members: 300,000 photos have names of so many bytes."""
_FOLDER_FILES: Final = 500_000
_PIECE: Final = 1 << 20
_UNREADABLE: Final = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # encrypted
    NotImplementedError,  # a compression that nobody here knows
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What zipfile raises for a damaged member: each compression has an error of its own."""


class Archive:
    """Documents by name; names are paths with slashes, as the export has them, and never followed out of it."""

    def __init__(self, path: Path) -> None:
        """
        Look what there is.

        Raises:
            ConfigError: It cannot be read.
            ContractError: It is neither a folder nor a zip file, or there is too much of it.
        """
        self._path = path
        self._stack = ExitStack()
        self.bytes_read = 0
        """Of all documents so far, unpacked."""
        self._open: dict[str, Callable[[], IO[bytes]]] = {}
        try:
            self._open = dict(self._folder() if path.is_dir() else self._zip())
        except OSError as exc:
            self.close()
            raise ConfigError(f"cannot read {path}: {exc.strerror}") from exc
        except (zipfile.BadZipFile, NotImplementedError, ValueError, UnicodeError) as exc:
            self.close()
            raise ContractError(f"{path}: expected a folder or a zip file; {exc}") from exc

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def names(self, pattern: str) -> list[str]:
        """Return the documents whose path ends as a pattern says, in the order of their numbers."""
        fits = re.compile(f"(?:.*/)?(?:{pattern})")
        return sorted(filter(fits.fullmatch, self._open), key=_natural)

    def read(self, name: str) -> bytes:
        """
        Return a document.

        Raises:
            ContractError: It is damaged, encrypted or too long.
        """
        try:
            with self._open[name]() as file:
                pieces = list(self._pieces(name, file))
        except _UNREADABLE as exc:
            raise self.wrong(name, "a document that can be read", str(exc)) from exc
        return b"".join(pieces)

    def lacks(self, expected: str) -> ContractError:
        """Return the error of an export that is another one."""
        return ContractError(f"{self._path}: expected {expected}; there is none")

    def wrong(self, name: str, expected: str, found: str) -> ContractError:
        """Return the error of a document that is not what it should be."""
        return ContractError(f"{self._path}, {shown(name)}: expected {expected}; {found}")

    def _pieces(self, name: str, file: IO[bytes]) -> Iterator[bytes]:
        # What the zip says of lengths is not believed: a bomb says little and becomes much.
        length = 0
        while piece := file.read(_PIECE):
            length += len(piece)
            self.bytes_read += len(piece)
            if length > MEMBER_BYTES:
                raise self.wrong(name, f"{MEMBER_BYTES >> 20} MiB at most", "it is longer")
            if self.bytes_read > EXPORT_BYTES:
                raise self.wrong(name, f"{EXPORT_BYTES >> 20} MiB at most in all documents", "there is more")
            yield piece

    def _zip(self) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
        raw = self._stack.enter_context(_Bounded(io.FileIO(self._path)))
        file = self._stack.enter_context(zipfile.ZipFile(raw))
        for member in file.infolist():
            # A name that leaves the export is of no network; the last of several with one name would be unpacked.
            if not member.is_dir() and _is_inside(member.filename):
                yield member.filename, lambda member=member: file.open(member)  # type: ignore[misc]

    def _folder(self) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
        count = 0
        for folder, _, files in os.walk(self._path, followlinks=False):
            for name in files:
                count += 1
                if count > _FOLDER_FILES:
                    raise ContractError(f"{self._path}: expected an export; there are over {_FOLDER_FILES:,} files")
                whole = Path(folder, name)
                # No links, pipes and devices.
                if stat.S_ISREG(whole.lstat().st_mode):
                    yield whole.relative_to(self._path).as_posix(), lambda whole=whole: whole.open("rb")  # type: ignore[misc]


class _Bounded(io.BufferedReader):
    """A file of which nobody reads much at once: a zip's list of members is read in one piece, however long it is."""

    def read(self, size: int | None = -1) -> bytes:
        """Read, unless it is too much."""
        if size is not None and size > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size)


def shown(name: str) -> str:
    """Return a name from outside as it may stand on a terminal."""
    return re.sub(r"[^\w ./+()-]", "?", name)[:200]


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and "\\" not in name and ".." not in name.split("/")


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]

"""Many short texts in one buffer: what compiled functions read instead of Python objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PADDING: Final = bytes(8)
"""Behind the last text, so that eight bytes can be read wherever one begins."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts, one after the other."""

    text: bytes
    ends: NDArray[np.int64]
    """Where each text ends."""

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> "Packed":
        """Pack texts."""
        return cls(b"".join((*texts, _PADDING)), np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts))))

    @property
    def buffer(self) -> NDArray[np.uint8]:
        """The bytes."""
        return np.frombuffer(self.text, np.uint8)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The bytes of each text."""
        return np.diff(self.ends, prepend=0)

    def is_utf8(self) -> bool:
        """Tell whether all is valid UTF-8. It may be valid only as a whole, so texts must begin with ASCII."""
        if self.text.isascii():
            return True
        try:
            self.text.decode()
        except UnicodeDecodeError:
            return False
        return True

"""What accounts say of themselves."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas import Profile

_FOLLOWERS_LAST: Final = 1 << 62
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Profile)


class Profiles:
    """The profiles of some rows, as their JSON. A section of the row."""

    tag = 1

    def __init__(self) -> None:
        self._texts: dict[int, bytes] = {}
        self._followers: dict[int, int] = {}

    def get(self, row: int) -> Profile | None:
        """Return a row's profile."""
        held = self._texts.get(row)
        return _DECODER.decode(held) if held is not None else None

    def of(self, rows: NDArray[np.int64]) -> Iterable[tuple[int, Profile]]:
        """Yield the place in `rows` and the profile of each row that has one."""
        for place, text in self.encode(rows):
            yield place, _DECODER.decode(text)

    def put(self, row: int, profile: Profile) -> None:
        """Hold a profile, instead of any other."""
        self._put(row, profile, _ENCODER.encode(profile))

    def _put(self, row: int, profile: Profile, text: bytes) -> None:
        self._texts[row] = text
        self._followers.pop(row, None)
        if profile.followers is not None:
            # Absurd counts are the model's to judge, but they must fit.
            self._followers[row] = max(-1, min(profile.followers, _FOLLOWERS_LAST))

    def followers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the followers of each row; -1 where they are not known."""
        known = self._followers
        if not known:
            return np.full(len(rows), -1, np.int64)
        return np.array([known.get(row, -1) for row in rows.tolist()], np.int64)

    def encode(self, rows: NDArray[np.int64]) -> Iterable[tuple[int, bytes]]:
        """Yield the place in `rows` and the JSON of each profile."""
        texts = self._texts
        if texts:
            for place, row in enumerate(rows.tolist()):
                if row in texts:
                    yield place, texts[row]

    def restore(self, rows: Sequence[int], parts: Sequence[bytes]) -> None:
        """Hold what `encode` wrote; msgspec's errors are ValueErrors."""
        for row, part in zip(rows, parts, strict=True):
            self._put(row, _DECODER.decode(part), part)

    def forget(self, rows: Sequence[int]) -> None:
        """Hold no profile for rows."""
        if self._texts:
            for row in rows:
                self._texts.pop(row, None)
                self._followers.pop(row, None)

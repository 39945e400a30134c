"""
What links rows to others: the person an account belongs to, and what its accounts contribute to a person.

A link is one step. An account contributes its own engagement to the person it names, never what others contribute
to it: chains are not followed, circles add nothing twice, and an account that names itself is linked to nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas import AccountContribution

ACCOUNTS_LIMIT: Final = 64
"""Accounts that a person may have: nobody has more, and a row stays small whatever is sent."""


class Part(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one account adds to a person, as the person's row keeps it."""

    account: str
    linked: bool
    """False: it adds nothing any more. Kept, so that an older contribution that comes late is known as such."""
    levels: tuple[float, float, float]
    counts: tuple[int, ...]
    """By window and kind."""
    engagers: int
    authenticity: int
    last: int | None
    version: int
    time: int
    as_of: int

    @classmethod
    def of(cls, sent: AccountContribution) -> "Part":
        """Return what a contribution adds."""
        windows = msgspec.structs.astuple(sent.engagement)
        return cls(
            sent.account,
            sent.linked,
            msgspec.structs.astuple(sent.levels),
            tuple(count for window in windows for count in msgspec.structs.astuple(window)),
            sent.engagers,
            sent.authenticity,
            sent.last,
            sent.version,
            sent.time,
            sent.as_of,
        )


class Ties(msgspec.Struct, array_like=True):
    """All that links one row to others; a row without any has none of these."""

    person: str | None = None
    former: list[str] = []
    """Persons that the account contributed to, and who may not know that it does no more. Never the present one."""
    parts: list[Part] = []
    """By account."""


_NONE: Final = Ties()
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Ties).decode

Outcome = Literal["applied", "duplicate", "late", "full"]


@dataclass(frozen=True, slots=True)
class Tidings:
    """Whom an account must tell what it contributes, and whom that it does no more."""

    person: str | None
    former: list[str]


class Linking:
    """
    The ties of a partition's rows, by row number.

    Few rows have any: they are kept as the bytes that the changelog holds, and read when they are needed. A section of
    the row.
    """

    tag = 5

    def __init__(self) -> None:
        self._held: dict[int, bytes] = {}
        self.accounts: set[int] = set()
        """Rows that belong to a person, or have left one who may not know yet."""
        self.persons: set[int] = set()
        """Rows that accounts contribute to."""
        self._relinked: set[int] = set()

    def __len__(self) -> int:
        """Return the number of rows that have ties."""
        return len(self._held)

    def tied(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of the rows that have ties."""
        return np.array([i for i, row in enumerate(rows.tolist()) if row in self._held] if self._held else [], np.int64)

    def _get(self, row: int) -> Ties:
        held = self._held.get(row)
        return _NONE if held is None else _decode(held)

    def _put(self, row: int, ties: Ties) -> None:
        if ties.person is None and not ties.former and not ties.parts:
            self._held.pop(row, None)
        else:
            self._held[row] = _encode(ties)
        _set(self.accounts, row, ties.person is not None or bool(ties.former))
        _set(self.persons, row, any(part.linked for part in ties.parts))

    # -- of an account

    def person(self, row: int) -> str | None:
        """Return the person that an account belongs to."""
        return self._get(row).person if row in self.accounts else None

    def link(self, row: int, person: str | None) -> bool:
        """Let an account belong to a person, or to nobody; tell whether that is news."""
        ties = self._get(row)
        if ties.person == person:
            return False
        former = {*ties.former, *([ties.person] if ties.person is not None else [])} - {person}
        self._put(row, Ties(person, sorted(former), ties.parts))
        self._relinked.add(row)
        return True

    def take_relinked(self) -> set[int]:
        """Return the rows whose person changed since this was last asked."""
        taken, self._relinked = self._relinked, set()
        return taken

    def tidings(self, row: int) -> Tidings:
        """Return whom an account must tell."""
        ties = self._get(row)
        return Tidings(ties.person, ties.former)

    def told(self, row: int, former: list[str]) -> None:
        """Note that former persons know."""
        ties = self._get(row)
        self._put(row, Ties(ties.person, [each for each in ties.former if each not in former], ties.parts))

    # -- of a person

    def parts(self, row: int) -> list[Part]:
        """Return what other accounts add to a row, in the order of their ids."""
        return [part for part in self._get(row).parts if part.linked] if row in self.persons else []

    def contribute(self, row: int, part: Part) -> Outcome:
        """
        Keep an account's part of a row, if it is the newest.

        Returns:
            `full` when the row has `ACCOUNTS_LIMIT` other accounts already.
        """
        ties = self._get(row)
        parts = {held.account: held for held in ties.parts}
        held = parts.get(part.account)
        if held is not None and (held.version, held.time) >= (part.version, part.time):
            return "duplicate" if (held.version, held.time) == (part.version, part.time) else "late"
        if held is None and len(parts) >= ACCOUNTS_LIMIT:
            ended = [each for each in parts.values() if not each.linked]
            if not ended:
                return "full"
            # The one whose late contributions are the least to be expected.
            del parts[min(ended, key=lambda each: (each.as_of, each.account)).account]
        parts[part.account] = part
        self._put(row, Ties(ties.person, ties.former, [parts[account] for account in sorted(parts)]))
        return "applied"

    # -- of the changelog

    def encode(self, rows: NDArray[np.int64]) -> Iterable[tuple[int, bytes]]:
        """Yield the place in `rows` and the ties of each row that has any."""
        if self._held:
            for place, row in enumerate(rows.tolist()):
                if row in self._held:
                    yield place, self._held[row]

    def restore(self, rows: Sequence[int], parts: Sequence[bytes]) -> None:
        """Hold what `encode` wrote; msgspec's errors are ValueErrors."""
        for row, part in zip(rows, parts, strict=True):
            self._put(row, _decode(part))

    def forget(self, rows: Sequence[int]) -> None:
        """Hold no ties of rows."""
        if self._held:
            for row in rows:
                self._put(row, _NONE)


def _set(rows: set[int], row: int, member: bool) -> None:
    (rows.add if member else rows.discard)(row)

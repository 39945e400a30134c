"""
Folding identities and contributions: whom accounts belong to, and what they contribute.

Both are few beside the engagements, so they are read one at a time. The last identity of an account counts, as in what
compaction leaves of the topic; of an account's contributions to a person the newest, whatever the order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.state.events import TIME_LAST_MS
from pipeline.state.linking import Linking, Outcome, Part
from pipeline.state.packed import Packed
from pipeline.state.records import Records, Refusal
from pipeline.state.row_index import RowIndex
from pipeline.state.sources import CONTRIBUTIONS, IDENTITIES
from schemas import AccountContribution, Identity, Reason, is_user_id

_T = TypeVar("_T", Identity, AccountContribution)
_identity: Final = msgspec.json.Decoder(Identity).decode
_contribution: Final = msgspec.json.Decoder(AccountContribution).decode


class Rows(Protocol):
    """What of a partition is needed here."""

    as_of: int
    index: RowIndex
    linking: Linking
    dirty: NDArray[np.bool_]
    owed: NDArray[np.bool_]
    applied: NDArray[np.int64] | None

    def add_rows(self, keys: Packed) -> NDArray[np.int64]:
        """Return the rows of ids, new ones where there are none."""


@dataclass(slots=True)
class Folded:
    """What became of a run: the refused records, and the offsets of the others by fate."""

    refusals: list[Refusal] = field(default_factory=list)
    applied: list[int] = field(default_factory=list)
    duplicate: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)


def fold_identities(rows: Rows, records: Records, limit: int, future_ms: int) -> Folded:
    """
    Link accounts to persons; a tombstone, or an account's own id, links it to nobody.

    Args:
        rows: The partition.
        records: A run of the identities.
        limit: The longest value, in bytes.
        future_ms: How far a time may lie ahead of its record's.
    """
    folded = Folded()
    for at, key, identity in _read(records, _identity, limit, folded.refusals, tombstones=True):
        offset, person = int(records.offsets[at]), None
        if identity is not None:
            ahead = identity.time - min(int(records.timestamps[at]) + future_ms, TIME_LAST_MS)
            flaw = _flaw(key, identity.account, identity.user)
            if ahead > 0:
                flaw = "future_time", f"event time {identity.time} is {ahead // 1000} s past the limit"
            if flaw is not None:
                folded.refusals.append(Refusal(offset, records.values[at], *flaw))
                continue
            rows.as_of = max(rows.as_of, identity.time)
            person = identity.user if identity.user != identity.account else None
        folded.applied.append(offset)
        row = _row(rows, key, make=identity is not None)
        if row is None:
            continue
        if _is_absorbed(rows, row, IDENTITIES, offset):
            rows.owed[row] = True
        elif rows.linking.link(row, person):
            rows.dirty[row] = rows.owed[row] = True
    return folded


def fold_contributions(rows: Rows, records: Records, limit: int) -> Folded:
    """
    Keep what accounts contribute to persons.

    A worker sent it, so its time is not doubted; it moves the partition's on.

    Args:
        rows: The partition.
        records: A run of the contributions.
        limit: The longest value, in bytes.
    """
    folded = Folded()
    fates: dict[Outcome, list[int]] = {"applied": folded.applied, "duplicate": folded.duplicate, "late": folded.late}
    for at, key, sent in _read(records, _contribution, limit, folded.refusals):
        assert sent is not None
        offset = int(records.offsets[at])
        flaw = _flaw(key, sent.user, sent.account)
        if flaw is None and sent.user == sent.account:
            flaw = "invalid_record", f"{sent.user} contributes to itself"
        if flaw is not None:
            folded.refusals.append(Refusal(offset, records.values[at], *flaw))
            continue
        rows.as_of = max(rows.as_of, min(sent.as_of, TIME_LAST_MS))
        row = _row(rows, key, make=sent.linked)
        if row is None:
            folded.applied.append(offset)
        elif _is_absorbed(rows, row, CONTRIBUTIONS, offset):
            rows.owed[row] = True
            folded.applied.append(offset)
        elif (outcome := rows.linking.contribute(row, Part.of(sent))) == "full":
            detail = f"{sent.user} has as many accounts as it may have: {sent.account} is left out"
            folded.refusals.append(Refusal(offset, records.values[at], "too_many_accounts", detail))
        else:
            fates[outcome].append(offset)
            if outcome == "applied":
                rows.dirty[row] = rows.owed[row] = True
    return folded


def _read(
    records: Records, decode: Callable[[bytes], _T], limit: int, refusals: list[Refusal], *, tombstones: bool = False
) -> Iterator[tuple[int, bytes, _T | None]]:
    """Yield the place, key and event of each usable record; None for a tombstone, where they are allowed."""
    for at, (offset, key, value) in enumerate(zip(records.offsets.tolist(), records.keys, records.values, strict=True)):
        reason: Reason
        if value is None:
            if tombstones and key:
                yield at, key, None
            else:
                refusals.append(Refusal(offset, value, "null_value", "the record has no value"))
            continue
        try:
            if len(value) > limit:
                reason, detail = "too_large", f"{len(value)} bytes, more than {limit}"
            else:
                yield at, key or b"", decode(value)
                continue
        except msgspec.ValidationError as exc:
            reason, detail = "invalid_record", str(exc)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            reason, detail = "invalid_json", str(exc)
        refusals.append(Refusal(offset, value, reason, detail))


def _flaw(key: bytes, user: str, other: str) -> tuple[Reason, str] | None:
    try:
        if key != user.encode():
            return "key_mismatch", f"the key is {key!r}, the record is of {user!r}"
        other.encode()
    except UnicodeError as exc:
        # JSON can escape half of a surrogate pair, which is no text.
        return "invalid_record", str(exc)
    for each in (user, other):
        if not is_user_id(each):
            return "invalid_user", f"{each!r} is not network:native-id"
    return None


def _row(rows: Rows, key: bytes, *, make: bool) -> int | None:
    if key not in rows.index and make:
        rows.add_rows(Packed.of([key]))
    return rows.index.get(key)


def _is_absorbed(rows: Rows, row: int, source: int, offset: int) -> bool:
    """Tell whether a restored row has this record in it already."""
    return rows.applied is not None and bool(offset < rows.applied[row, source])

"""The control records of a deployment, in memory: some thousands at most."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from schemas import Control

R = TypeVar("R", bound=msgspec.Struct)

_decode = msgspec.json.Decoder(Control).decode
encode: Final = msgspec.json.Encoder().encode

Listener = Callable[[str, Control | None], None]
"""Called with the id and the record, None when it was taken back."""


class ControlTable:
    """The newest record of each id; not known to be complete before `is_complete`."""

    def __init__(self) -> None:
        self._records: dict[str, Control] = {}
        self._listeners: list[Listener] = []
        self.is_complete = False
        """Whether it once held all that the topic, or its mirror, had."""

    def apply(self, record_id: str, value: bytes | None) -> bool:
        """
        Take the value of a record of the topic, None for a tombstone.

        Returns:
            False when it does not decode: it was written by a newer version, or by somebody else.
        """
        try:
            record = None if value is None else _decode(value)
        except msgspec.DecodeError:
            return False
        if record is None:
            self._records.pop(record_id, None)
        elif record.id != record_id:
            return False
        else:
            self._records[record_id] = record
        for listener in self._listeners:
            listener(record_id, record)
        return True

    def listen(self, listener: Listener) -> None:
        """Call `listener` at every change from now on."""
        self._listeners.append(listener)

    def get(self, record_id: str, kind: type[R]) -> R | None:
        """Return a record by its id, or None when there is none or it is of another kind."""
        record = self._records.get(record_id)
        return record if isinstance(record, kind) else None

    def all(self, kind: type[R]) -> Iterator[R]:
        """Yield the records of a kind, by id."""
        for record_id in sorted(self._records):
            record = self._records.get(record_id)
            if isinstance(record, kind):
                yield record

    def ids(self) -> frozenset[str]:
        """Return the id of every record."""
        return frozenset(self._records)

    def forget_all_but(self, ids: Iterable[str]) -> list[str]:
        """Drop what is not among `ids`, because the topic no longer has it; returns what was dropped."""
        gone = sorted(self._records.keys() - set(ids))
        for record_id in gone:
            self.apply(record_id, None)
        return gone

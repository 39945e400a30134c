"""
Dead letters: records that could not be used, kept as they came.

The value in `clout.dead-letters` is the untouched value of the record, its key the source topic.
All else stands in the headers, as UTF-8 text.
"""

from typing import Literal

import msgspec

Reason = Literal[
    "null_value",
    "too_large",
    "invalid_json",
    "invalid_record",
    "kind_mismatch",
    "key_mismatch",
    "invalid_user",
    "future_time",
    "too_many_accounts",
]
"""Why a record was refused: the part of the `reason` header before the first colon."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """The headers of a dead letter, decoded."""

    reason: str
    """A `Reason`, a colon, and what was wrong in words."""
    topic: str
    partition: int
    offset: int

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers that stand for this."""
        return [
            ("reason", self.reason.encode()),
            ("topic", self.topic.encode()),
            ("partition", str(self.partition).encode()),
            ("offset", str(self.offset).encode()),
        ]

    @classmethod
    def from_headers(cls, headers: list[tuple[str, bytes]]) -> "DeadLetter":
        """
        Read what `headers` wrote.

        Raises:
            KeyError: A header is missing.
        """
        values = dict(headers)
        return cls(
            reason=values["reason"].decode(),
            topic=values["topic"].decode(),
            partition=int(values["partition"]),
            offset=int(values["offset"]),
        )

"""A change: what the stream of changes and its subscribers get of a score document."""

import msgspec


class Change(msgspec.Struct, frozen=True, gc=False):
    """One score that was replaced by a newer one."""

    user: str
    handle: str
    score: float
    previous: float | None
    """The score of the document before this one; null in the first."""
    bucket: str
    networks: list[str]
    version: int
    time: int
    """When the score was computed, Unix ms."""
    as_of: int
    """The greatest event time or tick that it counts, Unix ms."""


def bucket_of(score: float) -> str:
    """Return the bucket of a score, as documents name it: `1-9`, `10-19`, .., `90-100`."""
    tens = min(int(score) // 10 * 10, 90)
    return "90-100" if tens == 90 else f"{tens or 1}-{tens + 9}"


encode_change = msgspec.json.Encoder().encode
decode_change = msgspec.json.Decoder(Change).decode

"""Changes as they stand in the stream, and the buckets that they cross."""

import msgspec

from schemas import Change


def bucket_of(score: float) -> str:
    """Return the bucket of a score, as documents name it: `1-9`, `10-19`, .., `90-100`."""
    tens = min(int(score) // 10 * 10, 90)
    return "90-100" if tens == 90 else f"{tens or 1}-{tens + 9}"


encode_change = msgspec.json.Encoder().encode
decode_change = msgspec.json.Decoder(Change).decode

"""What came of an attempt."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """`gone`: the receiver wants nothing any more."""

    result: Literal["delivered", "retry", "gone"]
    detail: str
    retry_after_s: float | None = None

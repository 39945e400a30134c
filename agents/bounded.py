"""A bound for the dictionaries that remember."""

from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def trim(entries: dict[K, V], limit: int) -> None:
    """Forget the oldest entries when there are more than `limit`: a tenth more, so that it is seldom needed."""
    excess = len(entries) - limit
    if excess > 0:
        for key in list(islice(entries, excess + limit // 10)):
            del entries[key]

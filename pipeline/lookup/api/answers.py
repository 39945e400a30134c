"""Answers of Redis within a second, or a 503."""

from collections.abc import Awaitable
from typing import Final, TypeVar

from pipeline.errors import StoreUnavailableError
from pipeline.lookup.connection import AWAY
from pipeline.lookup.deadline import within

T = TypeVar("T")

_ANSWER_S: Final = 0.9


async def answered(asked: Awaitable[T]) -> T:
    """
    Return what was asked for.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    try:
        async with within(_ANSWER_S):
            return await asked
    except (*AWAY, TimeoutError) as exc:
        raise StoreUnavailableError("Redis does not answer") from exc

"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.05


def eventually(condition: Callable[[], T], deadline_s: float, message: str) -> T:
    """
    Ask until the answer is true and return it.

    Raises:
        AssertionError: It was not within `deadline_s`; the message and the last answer are told.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {message} (last answer: {answer!r})")
        time.sleep(_PAUSE_S)


def promptly(ask: Callable[[], T], limit_s: float) -> T:
    """
    Ask, and return the answer that came within a limit.

    Ten tries: what is promised of the program may take longer on a machine that does something else, but not always.

    Raises:
        AssertionError: None was quick enough.
    """
    taken = []
    for _ in range(10):
        began = time.monotonic()
        answer = ask()
        taken.append(time.monotonic() - began)
        if taken[-1] < limit_s:
            return answer
    raise AssertionError(f"not within {limit_s:g} s: it took {taken} s")


async def eventually_async(condition: Callable[[], Awaitable[T]], deadline_s: float, message: str) -> T:
    """Do as `eventually`, with a condition to await."""
    end = time.monotonic() + deadline_s
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {message} (last answer: {answer!r})")
        await asyncio.sleep(_PAUSE_S)

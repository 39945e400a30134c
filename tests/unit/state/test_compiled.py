"""Compiled functions run wherever the program may be installed."""

from collections.abc import Callable

from pipeline.state.compiled import compiled


def test_a_function_is_compiled_where_nothing_can_be_kept() -> None:
    """Code without a file stands for an installation that is read-only: it compiles anew at each start."""
    names: dict[str, Callable[[int], int]] = {}
    exec("def twice(number):\n    return 2 * number", names)
    assert compiled(names["twice"])(21) == 42

"""
Compiled functions: the few loops over bytes and hash tables that numpy has no operation for.

Numba turns them into machine code at their first call and keeps it in a cache on disk (beside the source, or in the
user's cache folder where that cannot be written, or where `NUMBA_CACHE_DIR` says), so that only the very first start
waits some seconds. They hold no interpreter lock: the consumer's thread reads while they run.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

_F = TypeVar("_F", bound=Callable[..., object])


def compiled(function: _F) -> _F:
    """Compile a function of numbers and numpy arrays. Indices are not checked: it must not leave its arrays."""
    try:
        return cast("_F", _with_cache(function))
    except RuntimeError:
        # Nothing can be written anywhere: each start compiles anew. `NUMBA_CACHE_DIR` names a place.
        return cast("_F", _without_cache(function))


_with_cache: Final = numba.njit(cache=True, nogil=True, error_model="numpy")
_without_cache: Final = numba.njit(nogil=True, error_model="numpy")


def _eight_at(_context: Any, buffer: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(buffer, at), code


def _lowest_bit(_context: Any, number: Any) -> Any:
    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(number), code


def _copy(_context: Any, to: Any, at: Any, source: Any, start: Any, size: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def place(array: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.gep(data, [arguments[array + 1]])

        word = ir.IntType(64)
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [place(0).type, place(2).type, word])
        builder.call(memcpy, [place(0), place(2), arguments[4], ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.none(to, at, source, start, size), code


# Numba has no words for these; what it calls `Any` is its compiler's.
eight_at = cast("Callable[[NDArray[np.uint8], int], np.uint64]", intrinsic(_eight_at))
"""Return the eight bytes from a place on as a little-endian number, in one load. For compiled functions alone."""

lowest_bit = cast("Callable[[np.uint64], int]", intrinsic(_lowest_bit))
"""Return the place of the lowest bit that is set, of a number that is not 0. For compiled functions alone."""

copy = cast("Callable[[NDArray[np.uint8], int, NDArray[np.uint8], int, int], None]", intrinsic(_copy))
"""Copy to a place of one buffer from a place of another so many bytes. For compiled functions alone."""


@compiled
def put(out: NDArray[np.uint8], at: int, buffer: NDArray[np.uint8], start: int, end: int) -> int:
    """Copy a text to a place, and return where it ends."""
    copy(out, at, buffer, start, end - start)
    return at + end - start

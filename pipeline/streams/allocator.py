"""
The C allocator, told to keep what is freed.

Each batch makes and frees arrays of some megabytes. By default glibc gives them back to the kernel each time, which
clears their pages again at the next use (a sixth of the fold's time), and keeps an arena per thread, of which one
thread's memory is of no use to another (200 MB of 1.5 GB).
"""

import ctypes
from typing import Final

# The names of glibc's malloc.h; see mallopt(3).
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8

_SETTINGS: Final = {
    _MMAP_THRESHOLD: 32 << 20,  # the greatest that glibc takes
    _TRIM_THRESHOLD: 1 << 30,
    _TOP_PAD: 16 << 20,
    _ARENA_MAX: 1,
}


def keep_freed_memory() -> bool:
    """Set the allocator up for arrays that come and go; False where it is not glibc's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(name, value) == 1 for name, value in _SETTINGS.items())


def give_back() -> bool:
    """Give back what was freed until now, after something that needs much memory, once; False where that is unknown."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return False
    return bool(trim(0))

"""The allocator keeps what is freed."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from pipeline.streams.allocator import keep_freed_memory
if {keep}: assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    some = [np.ones(1 << 18) for _ in range(8)]
    del some
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep: bool) -> int:
    """Return how many pages had to be made while arrays came and went."""
    command = [sys.executable, "-c", SCRIPT.format(keep=keep)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_memory_that_was_freed_is_used_again() -> None:
    """Sixteen megabytes, two hundred times: their pages are made once."""
    assert faults(keep=True) < faults(keep=False) / 3


GIVEN_BACK = """
import numpy as np
from pipeline.streams.allocator import give_back, keep_freed_memory
from tests.bench.process import resident_bytes
import os
assert keep_freed_memory()
arrays = [np.ones(1 << 17) for _ in range(200)]
last = np.ones(1 << 17)
del arrays
before = resident_bytes(os.getpid())
assert give_back()
print(before - resident_bytes(os.getpid()))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_memory_is_given_back_when_it_is_asked_for() -> None:
    """Also below what is still in use."""
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 100 << 20

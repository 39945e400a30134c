"""The process leaves, whatever holds its output up."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("status", "left"), [(0, 0), (3, 3), (None, 0), ("what was wrong", 1)])
def test_a_process_leaves_with_the_status_that_it_is_told(status: object, left: int) -> None:
    """And says what it had to say."""
    code = f"from pipeline.streams.leaving import leave; print('last words'); leave({status!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (left, "last words\n")


def test_a_process_leaves_though_nobody_reads_what_it_says() -> None:
    """Its output is a pipe that is full: the log's lock is held, and flushing would wait for ever."""
    code = (
        "import time\n"
        "from pipeline.logs import configure\n"
        "from pipeline.settings import Settings\n"
        "from pipeline.streams.leaving import leave_after\n"
        "configure(Settings(_env_file=None))\n"
        "leave_after(0.1, 5)\n"
        "print('x' * 1_000_000, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.wait(30) == 5
    finally:
        process.kill()
        process.stdout.close()


def test_a_process_leaves_though_its_output_is_gone() -> None:
    """A pipe whose reader has ended: what is left in the buffer cannot be flushed."""
    reader, writer = os.pipe()
    code = (
        "import sys\n"
        "from pipeline.streams.leaving import leave\n"
        "sys.stdin.read()\n"
        "sys.stdout = open(1, 'w')\n"  # with a buffer, whatever the environment says
        "print('nobody hears this')\n"
        "leave(4)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=writer)
    os.close(writer)
    os.close(reader)
    process.communicate(timeout=60)
    assert process.returncode == 4

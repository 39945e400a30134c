"""What a process has used, by the operating system's own accounting."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def usage(pid: int | None = None) -> float:
    """Return the seconds of processor time a process has used."""
    fields = Path(f"/proc/{pid or os.getpid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def machine_usage() -> float:
    """Return the seconds of processor time that everything on the machine has used."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICK


def resident_bytes(pid: int) -> int:
    """Return the memory that is resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(pid: int) -> int:
    """Return the most memory that was resident at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no VmHWM")

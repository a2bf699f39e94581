"""What processes consume: CPU and memory, as Linux counts them."""

import os
from contextlib import suppress
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, of those that it started or that share its session, and of ended ones."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            columns = path.read_text().rpartition(")")[2].split()
            if pid in (int(path.parent.name), int(columns[1]), int(columns[3])):  # the process, its parent, its session
                ticks += sum(map(int, columns[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pid: int, name: str) -> int:
    """Return a size from the status of a process, in bytes: VmRSS is the current memory, VmHWM its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

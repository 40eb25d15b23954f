"""Reads the CPU time and the memory of processes from the kernel, and sets their priority."""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def workers(process: int) -> list[int]:
    """The processes that serve requests: the children of a process, or the process itself if it has none."""
    children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in children] or [process]


def cpu_seconds(process: int) -> float:
    """User and system CPU time of a server since it started."""
    # The CPU clock of another process, computed as clock_getcpuclockid(3) does. It is the sum of utime and stime in
    # /proc/PID/stat, but in nanoseconds instead of hundredths of a second.
    return sum(time.clock_gettime(~worker << 3 | 2) for worker in workers(process))


def idle_seconds(cores: list[int]) -> float:
    """Time that these cores have been idle since the system started."""
    names = {f"cpu{core}" for core in cores}
    lines = (line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines())
    # Idle, and waiting for a disk.
    return sum(int(fields[4]) + int(fields[5]) for fields in lines if fields[0] in names) / TICKS_PER_SECOND


def reset_peak_memory(process: int) -> None:
    """Resets the peak to the current resident size."""
    for worker in workers(process):
        pathlib.Path(f"/proc/{worker}/clear_refs").write_text("5")


def peak_memory(process: int) -> int:
    """Peak resident size in bytes since the last reset."""
    return sum(status(worker, "VmHWM:") for worker in workers(process))


def memory(process: int) -> int:
    """Resident size in bytes."""
    return sum(status(worker, "VmRSS:") for worker in workers(process))


def status(process: int, name: str) -> int:
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


@contextlib.contextmanager
def idle_priority(process: int) -> Iterator[None]:
    """Lets a process run only when no other one wants its core."""
    os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(process, os.SCHED_OTHER, os.sched_param(0))

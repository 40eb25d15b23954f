"""How the throughput of a server grows from one core to two, on a machine that has no third core for the load generator."""

import os
from dataclasses import dataclass

import kernel
import probes
from programs import CORES, Running
from scenarios import Candidate, Effort

CONNECTIONS = 64


def two_cores(candidate: Candidate, effort: Effort) -> dict[str, float]:
    """Measures one process on one core and another on both, in turns of a second. Everything else may use both cores each time."""
    os.sched_setaffinity(candidate.upstream.process, CORES)
    try:
        with candidate.fresh_process(cores=2) as two:
            one = candidate.running
            probes.load(two, candidate.server.order, CONNECTIONS, 1)
            alone, both = Throughput(CORES[:1]), Throughput(CORES)
            for _ in range(effort.seconds):
                alone.measure(candidate, one)
                both.measure(candidate, two)
    finally:
        os.sched_setaffinity(candidate.upstream.process, CORES[1:])
    return {
        "cores.one": alone.requests / alone.seconds,
        "cores.two": both.requests / both.seconds,
        "cores.measured": both.requests / both.seconds / (alone.requests / alone.seconds),
        "cores.growth": 2 * both.per_second / alone.per_second,
        "cores.cpu": both.cpu / both.requests / (alone.cpu / alone.requests),
        "cores.idle": both.idle / (both.cpu + both.idle),
    }


@dataclass
class Throughput:
    """Sums over the turns of a process that may use these cores."""

    cores: list[int]
    requests: int = 0
    seconds: float = 0
    cpu: float = 0
    idle: float = 0

    def measure(self, candidate: Candidate, server: Running) -> None:
        cpu, idle = kernel.cpu_seconds(server.process), kernel.idle_seconds(self.cores)
        load = probes.load(server, candidate.server.order, CONNECTIONS, 1, CORES)
        self.cpu += kernel.cpu_seconds(server.process) - cpu
        self.idle += kernel.idle_seconds(self.cores) - idle
        self.requests += load.requests
        self.seconds += load.seconds

    @property
    def per_second(self) -> float:
        """Requests per second that the cores had for the server.

        A core has time for the server while it runs it or is idle. Time of the load generator and of the stub is taken out; time
        in which threads of the server wait for each other is idle, and so counts against it.
        """
        return self.requests / (self.cpu + self.idle)

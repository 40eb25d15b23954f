"""How the throughput of a server grows from one core to two, on a machine that has no third core for the load generator."""

import os

import kernel
import probes
from programs import CORES, Running
from scenarios import Candidate, Effort

CONNECTIONS = 64


def two_cores(candidate: Candidate, effort: Effort) -> dict[str, float]:
    """Measures one process on one core, as in the other profiles, and another on both cores with everything else."""
    one = throughput(candidate, candidate.running, CORES[:1], CORES[1:], effort)
    with candidate.fresh_process(cores=2) as running:
        probes.load(running, candidate.server.order, CONNECTIONS, 1)
        os.sched_setaffinity(candidate.upstream.process, CORES)
        try:
            two = throughput(candidate, running, CORES, CORES, effort)
        finally:
            os.sched_setaffinity(candidate.upstream.process, CORES[1:])
    return {
        "cores.one": one["rate"],
        "cores.two": two["rate"],
        "cores.measured": two["rate"] / one["rate"],
        "cores.growth": 2 * two["per_second"] / one["per_second"],
        "cores.cpu": two["cpu"] / one["cpu"],
        "cores.idle": two["idle"],
    }


def throughput(
    candidate: Candidate, server: Running, cores: list[int], load_cores: list[int], effort: Effort
) -> dict[str, float]:
    """Requests per second of wall time, and per second that the cores had for the server.

    A core has time for the server while it runs it or is idle. Time of the load generator and of the stub is taken out; time in
    which threads of the server wait for each other is idle, and so counts against it.
    """
    cpu, idle = kernel.cpu_seconds(server.process), kernel.idle_seconds(cores)
    load = probes.load(server, candidate.server.order, CONNECTIONS, effort.seconds, load_cores)
    cpu, idle = kernel.cpu_seconds(server.process) - cpu, kernel.idle_seconds(cores) - idle
    return {
        "rate": load.rate,
        "per_second": load.requests / (cpu + idle),
        "cpu": cpu / load.requests,
        "idle": idle / (cpu + idle),
    }

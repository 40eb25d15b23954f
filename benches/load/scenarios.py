"""What is measured of each server: single orders, lists, memory. Each scenario returns values by metric."""

import contextlib
import json
import pathlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import kernel
import probes
from probes import InvalidResponse
from programs import Running
from servers import Conditions, Server

# The `since` date that selects each list length in the stub.
LISTS = {1_000: "2001-01-01", 100_000: "2002-01-01", 1_000_000: "2003-01-01"}
ORDER_ID = 20417
CONCURRENCY = 16


@dataclass(frozen=True)
class Effort:
    """Number of rounds, seconds per load, and transfers per long list."""

    rounds: int
    seconds: int
    transfers: int


@dataclass
class Candidate:
    """A running server, and what its scenarios need."""

    server: Server
    running: Running
    upstream: Running
    folder: pathlib.Path
    conditions: Conditions
    # Expected response size by list length.
    sizes: dict[int, int] = field(default_factory=dict)
    starts: int = 0

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def returns_xml(self) -> bool:
        return b"<" in self.server.item

    def fresh_process(self, cores: int = 1) -> contextlib.AbstractContextManager[Running]:
        """Starts a second process of the same server, without any history."""
        self.starts += 1
        return self.server.running(self.upstream, self.folder / f"{self.starts}", replace(self.conditions, cores=cores))

    def list_path(self, length: int) -> str:
        return self.server.orders % LISTS[length]


# --- response checks


def check(candidate: Candidate, lengths: tuple[int, ...]) -> dict | None:
    """Checks one response of each kind; returns the JSON ones, which must be equal for all servers that translate."""
    for length in lengths:
        if length <= 100_000 or candidate.server.streams:
            check_list(candidate, length)
    order = probes.body(candidate.running, candidate.server.order % ORDER_ID)
    if candidate.returns_xml:
        if b"<orderinfo>" not in order:
            raise InvalidResponse("the response to an order is not an order")
        return None
    orders = json.loads(probes.body(candidate.running, candidate.list_path(1_000)))
    return {"an order": json.loads(order), "a list": orders}


def check_list(candidate: Candidate, length: int) -> None:
    path = candidate.list_path(length)
    size, count = probes.size_and_count(candidate.running, path, candidate.server.item)
    if count != length:
        raise InvalidResponse(f"a list of {length} orders contained {count}")
    candidate.sizes[length] = size


def fetch(candidate: Candidate, server: Running, length: int, concurrency: int = 1) -> list[probes.Transfer]:
    """Fetches a list and checks that every transfer is complete."""
    transfers = probes.transfer(server, candidate.list_path(length), concurrency)
    if any(transfer.size != candidate.sizes[length] for transfer in transfers):
        raise InvalidResponse(f"a list of {length} orders was truncated")
    return transfers


def warm_up(candidate: Candidate, effort: Effort) -> None:
    """Warms up caches and connection pools, and the just-in-time compiler of Node."""
    for path in (candidate.server.order, candidate.list_path(1_000)):
        probes.load(candidate.running, path, CONCURRENCY, min(effort.seconds, 2))


# --- scenarios


def one_order(candidate: Candidate, effort: Effort, connections: int = 64) -> dict[str, float]:
    load, cpu = probes.load_with_cpu(candidate.running, candidate.server.order, connections, effort.seconds)
    return {"order.cpu": cpu, "order.rate": load.rate, "order.median": load.median, "order.p99": load.p99}


def one_order_of_32(candidate: Candidate, effort: Effort) -> dict[str, float]:
    """On fewer connections than the gateway has reads in flight by default, so that none waits in its queue."""
    return one_order(candidate, effort, 32)


def one_order_alone(candidate: Candidate, effort: Effort) -> dict[str, float]:
    return {"alone.median": probes.load(candidate.running, candidate.server.order, 1, effort.seconds).median}


def short_list(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, cpu = probes.load_with_cpu(candidate.running, candidate.list_path(1_000), CONCURRENCY, effort.seconds)
    return {"short.cpu": cpu, "short.rate": load.rate}


def long_list(candidate: Candidate, effort: Effort) -> dict[str, float]:
    running = candidate.running
    count = effort.transfers if candidate.server.streams else 1
    before = kernel.cpu_seconds(running.process)
    # The stub must not keep curl, with which it shares a core, from reading.
    with kernel.idle_priority(candidate.upstream.process):
        transfers = [fetch(candidate, running, 100_000)[0] for _ in range(count)]
    cpu = (kernel.cpu_seconds(running.process) - before) / count
    return {
        "long.total": statistics.median(transfer.total for transfer in transfers),
        "long.first": statistics.median(transfer.first_byte for transfer in transfers),
        "long.share": statistics.median(transfer.first_byte / transfer.total for transfer in transfers),
        "long.cpu": cpu,
    }


def memory(candidate: Candidate, _: Effort) -> dict[str, float]:
    """Measures each peak in a new process, so that memory retained from one list does not count for the next."""

    def peak(length: int, concurrency: int = 1) -> float:
        with candidate.fresh_process() as running:
            # Exclude what the first list allocates once.
            fetch(candidate, running, 1_000)
            kernel.reset_peak_memory(running.process)
            fetch(candidate, running, length, concurrency)
            return kernel.peak_memory(running.process)

    peaks = {"memory.long": peak(100_000)}
    if candidate.server.streams:
        peaks |= {"memory.huge": peak(1_000_000), "memory.many": peak(100_000, CONCURRENCY)}
    return peaks


@dataclass(frozen=True)
class Scenario:
    """One measurement, and whether it needs wrk."""

    title: str
    measure: Callable[[Candidate, Effort], dict[str, float]]
    needs_wrk: bool = True

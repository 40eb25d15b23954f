"""The scenarios that every server runs. Each returns values by metric; report.py lists the metrics."""

import json
import pathlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import probes
from probes import InvalidResponse
from servers import Running, Server

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
    upstream: str
    folder: pathlib.Path
    # Expected response size by list length.
    sizes: dict[int, int] = field(default_factory=dict)
    starts: int = 0

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def returns_xml(self) -> bool:
        return b"<" in self.server.item

    def fresh_process(self):
        """Starts a second process of the same server, without any history."""
        self.starts += 1
        return self.server.running(self.upstream, self.folder / f"{self.starts}")

    def list_path(self, length: int) -> str:
        return self.server.orders % LISTS[length]


# --- response checks


def check(candidate: Candidate) -> dict | None:
    """Checks one response of each kind; returns the JSON ones, which must be equal for all servers that translate."""
    lengths = [length for length in LISTS if length <= 100_000 or candidate.server.streams]
    for length in lengths:
        check_list(candidate, length)
    order = probes.body(candidate.running.port, candidate.server.order % ORDER_ID)
    if candidate.returns_xml:
        if b"<orderinfo>" not in order:
            raise InvalidResponse("the response to an order is not an order")
        return None
    orders = json.loads(probes.body(candidate.running.port, candidate.list_path(1_000)))
    return {"an order": json.loads(order), "a list": orders}


def check_list(candidate: Candidate, length: int) -> None:
    path = candidate.list_path(length)
    size, count = probes.size_and_count(candidate.running.port, path, candidate.server.item)
    if count != length:
        raise InvalidResponse(f"a list of {length} orders contained {count}")
    candidate.sizes[length] = size


def fetch(candidate: Candidate, port: int, length: int, concurrency: int = 1) -> list[probes.Transfer]:
    """Fetches a list and checks that every transfer is complete."""
    transfers = probes.transfer(port, candidate.list_path(length), concurrency)
    if any(transfer.size != candidate.sizes[length] for transfer in transfers):
        raise InvalidResponse(f"a list of {length} orders was truncated")
    return transfers


# --- scenarios


def under_load(candidate: Candidate, path: str, connections: int, seconds: int) -> tuple[probes.Load, float]:
    """The result of wrk, and the CPU time per request."""
    running = candidate.running
    before = probes.cpu_seconds(running.process)
    load = probes.load(running.port, path, connections, seconds)
    return load, (probes.cpu_seconds(running.process) - before) / load.requests


def warm_up(candidate: Candidate, effort: Effort) -> None:
    """Warms up caches and connection pools, and the just-in-time compiler of Node."""
    for path in (candidate.server.order, candidate.list_path(1_000)):
        probes.load(candidate.running.port, path, CONCURRENCY, min(effort.seconds, 2))


def one_order(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, cpu = under_load(candidate, candidate.server.order, 64, effort.seconds)
    return {"order.cpu": cpu, "order.rate": load.requests / load.seconds, "order.median": load.median, "order.p99": load.p99}


def one_order_alone(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, _ = under_load(candidate, candidate.server.order, 1, effort.seconds)
    return {"alone.median": load.median}


def short_list(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, cpu = under_load(candidate, candidate.list_path(1_000), CONCURRENCY, effort.seconds)
    return {"short.cpu": cpu, "short.rate": load.requests / load.seconds}


def long_list(candidate: Candidate, effort: Effort) -> dict[str, float]:
    running = candidate.running
    before = probes.cpu_seconds(running.process)
    transfers = [fetch(candidate, running.port, 100_000)[0] for _ in range(effort.transfers)]
    cpu = (probes.cpu_seconds(running.process) - before) / effort.transfers
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
            fetch(candidate, running.port, 1_000)
            probes.reset_peak_memory(running.process)
            fetch(candidate, running.port, length, concurrency)
            return probes.peak_memory(running.process)

    peaks = {"memory.long": peak(100_000)}
    if candidate.server.streams:
        peaks |= {"memory.huge": peak(1_000_000), "memory.many": peak(100_000, CONCURRENCY)}
    return peaks


@dataclass(frozen=True)
class Scenario:
    """One measurement, and whether it needs wrk."""

    title: str
    measure: Callable[[Candidate, Effort], dict[str, float]]
    needs_wrk: bool


SCENARIOS = [
    Scenario("one order, 64 connections", one_order, needs_wrk=True),
    Scenario("one order, 1 connection", one_order_alone, needs_wrk=True),
    Scenario("1 000 orders, 16 connections", short_list, needs_wrk=True),
    Scenario("100 000 orders", long_list, needs_wrk=False),
    Scenario("memory", memory, needs_wrk=False),
]

"""What the servers are put through. Each scenario gives figures under the names that report.py knows."""

import json
import pathlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import probes
from probes import Broken
from servers import Running, Server

# The dates by which the stub chooses the length of a list.
LISTS = {1_000: "2001-01-01", 100_000: "2002-01-01", 1_000_000: "2003-01-01"}
ORDER_ID = 20417
AT_ONCE = 16


@dataclass(frozen=True)
class Effort:
    """How long everything is measured, each time."""

    rounds: int
    seconds: int
    transfers: int


@dataclass
class Candidate:
    """A server that was found to answer rightly, with what is needed to ask it."""

    server: Server
    running: Running
    upstream: str
    folder: pathlib.Path
    # The sizes that its lists have when they are whole.
    sizes: dict[int, int] = field(default_factory=dict)
    starts: int = 0

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def is_hop(self) -> bool:
        return b"<" in self.server.item

    def again(self):
        """A second process of the same server, one that has done nothing yet."""
        self.starts += 1
        return self.server.running(self.upstream, self.folder / f"{self.starts}")

    def list_path(self, length: int) -> str:
        return self.server.orders % LISTS[length]


# --- whether the answers are right


def check(candidate: Candidate) -> dict | None:
    """Checks an answer of each kind; gives what JSON servers answer, which should be the same."""
    lengths = [length for length in LISTS if length <= 100_000 or candidate.server.holds_anything]
    for length in lengths:
        check_list(candidate, length)
    order = probes.body(candidate.running.port, candidate.server.order % ORDER_ID)
    if candidate.is_hop:
        if b"<orderinfo>" not in order:
            raise Broken("an order is no order")
        return None
    orders = json.loads(probes.body(candidate.running.port, candidate.list_path(1_000)))
    return {"an order": json.loads(order), "a list": orders}


def check_list(candidate: Candidate, length: int) -> None:
    path = candidate.list_path(length)
    size, count = probes.size_and_count(candidate.running.port, path, candidate.server.item)
    if count != length:
        raise Broken(f"a list of {length} orders has {count}")
    candidate.sizes[length] = size


def fetch(candidate: Candidate, port: int, length: int, at_once: int = 1) -> list[probes.Transfer]:
    """Fetches a list and makes sure that it is the whole list."""
    transfers = probes.transfer(port, candidate.list_path(length), at_once)
    if any(transfer.size != candidate.sizes[length] for transfer in transfers):
        raise Broken(f"a list of {length} orders was not whole")
    return transfers


# --- scenarios


def under_load(candidate: Candidate, path: str, connections: int, seconds: int) -> tuple[probes.Load, float]:
    """What wrk saw, and the CPU time per request."""
    running = candidate.running
    before = probes.cpu_seconds(running.process)
    load = probes.load(running.port, path, connections, seconds)
    return load, (probes.cpu_seconds(running.process) - before) / load.requests


def warm_up(candidate: Candidate, effort: Effort) -> None:
    """Lets a server grow as fast as it gets, above all Node, which compiles what runs often."""
    for path in (candidate.server.order, candidate.list_path(1_000)):
        probes.load(candidate.running.port, path, AT_ONCE, min(effort.seconds, 2))


def one_order(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, cpu = under_load(candidate, candidate.server.order, 64, effort.seconds)
    return {"order.cpu": cpu, "order.rate": load.requests / load.seconds, "order.median": load.median, "order.p99": load.p99}


def one_order_alone(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, _ = under_load(candidate, candidate.server.order, 1, effort.seconds)
    return {"alone.median": load.median}


def short_list(candidate: Candidate, effort: Effort) -> dict[str, float]:
    load, cpu = under_load(candidate, candidate.list_path(1_000), AT_ONCE, effort.seconds)
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
    """Each peak in a process of its own: what one list has left behind is no merit or fault of the next."""

    def peak(length: int, at_once: int = 1) -> float:
        with candidate.again() as running:
            # So that what every list needs is there already.
            fetch(candidate, running.port, 1_000)
            probes.forget_peak_memory(running.process)
            fetch(candidate, running.port, length, at_once)
            return probes.peak_memory(running.process)

    peaks = {"memory.long": peak(100_000)}
    if candidate.server.holds_anything:
        peaks |= {"memory.huge": peak(1_000_000), "memory.many": peak(100_000, AT_ONCE)}
    return peaks


@dataclass(frozen=True)
class Scenario:
    """Something to measure, with the programs that it takes."""

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

"""The profiles: under which conditions which servers are measured, and the rows of their tables."""

from collections.abc import Callable
from dataclasses import dataclass

from clients import ACTIVE_CLIENTS, CHANGES_PER_SECOND, guarded_changes, idle_clients
from cores import two_cores
from figures import CADDY, ENVOY, GATEWAY, HAPROXY, HOP, PREVIOUS, kibibytes, mebibytes, micro, milli, percent, rate, ratio
from scenarios import Scenario, long_list, memory, one_order, one_order_alone, one_order_of_32, short_list

OWN = frozenset({GATEWAY, PREVIOUS})
PROXIES = OWN | {HOP, ENVOY, HAPROXY, CADDY}


@dataclass(frozen=True)
class Row:
    """One metric of a table."""

    metric: str
    title: str
    render: Callable[[float], str]


@dataclass(frozen=True)
class Profile:
    """Conditions, and what is measured under them."""

    name: str
    title: str
    note: str
    scenarios: list[Scenario]
    rows: list[Row]
    # Names of the servers; all if None.
    servers: frozenset[str] | None = PROXIES
    # Duration of each load.
    seconds: int = 2
    # Lengths of lists whose responses are checked before the first round.
    lists: tuple[int, ...] = (1_000, 100_000)
    # How long the stub waits before each response.
    delay_milliseconds: int = 0
    has_tls: bool = False
    # Open client connections, at most.
    connections: int = 768


BASE = Profile(
    name="base",
    title="One core, an upstream that answers at once",
    note="One process on one core, connections kept, no TLS.",
    servers=None,
    seconds=3,
    lists=(1_000, 100_000, 1_000_000),
    scenarios=[
        Scenario("one order, 64 connections", one_order),
        Scenario("one order, 1 connection", one_order_alone),
        Scenario("1 000 orders, 16 connections", short_list),
        Scenario("100 000 orders", long_list, needs_wrk=False),
        Scenario("memory", memory, needs_wrk=False),
    ],
    rows=[
        Row("order.cpu", "`GET /orders/{id}`, 64 connections: CPU per request", micro),
        Row("order.rate", "… requests", rate),
        Row("order.median", "… median latency", milli),
        Row("order.p99", "… 99th percentile", milli),
        Row("alone.median", "the same, 1 connection: median latency", micro),
        Row("short.cpu", "1 000 orders, 16 connections: CPU per request", milli),
        Row("short.rate", "… requests", rate),
        Row("long.total", "100 000 orders: total time", milli),
        Row("long.first", "… first byte", milli),
        Row("long.cpu", "… CPU per request", milli),
        Row("memory.long", "peak memory, 100 000 orders", mebibytes),
        Row("memory.huge", "… 1 000 000 orders", mebibytes),
        Row("memory.many", "… 16 lists of 100 000 orders at once", mebibytes),
    ],
)

SLOW_UPSTREAM = Profile(
    name="slow-upstream",
    title="An upstream that takes 20 ms",
    note="As above, but the stub waits 20 ms before each response (the timer of its runtime adds up to 1 ms).",
    delay_milliseconds=20,
    scenarios=[Scenario("one order, 32 connections", one_order_of_32), Scenario("one order, 1 connection", one_order_alone)],
    rows=[
        Row("order.cpu", "`GET /orders/{id}`, 32 connections: CPU per request", micro),
        Row("order.median", "… median latency", milli),
        Row("order.p99", "… 99th percentile", milli),
        Row("alone.median", "the same, 1 connection: median latency", milli),
    ],
)

TLS = Profile(
    name="tls",
    title="TLS on both sides",
    note="TLS between client and server and between server and stub, with kept connections: handshakes are not measured.",
    has_tls=True,
    scenarios=[
        Scenario("one order, 64 connections", one_order),
        Scenario("one order, 1 connection", one_order_alone),
        Scenario("1 000 orders, 16 connections", short_list),
        Scenario("100 000 orders", long_list, needs_wrk=False),
    ],
    rows=[
        Row("order.cpu", "`GET /orders/{id}`, 64 connections: CPU per request", micro),
        Row("order.median", "… median latency", milli),
        Row("order.p99", "… 99th percentile", milli),
        Row("alone.median", "the same, 1 connection: median latency", micro),
        Row("short.cpu", "1 000 orders, 16 connections: CPU per request", milli),
        Row("long.total", "100 000 orders: total time", milli),
        Row("long.cpu", "… CPU per request", milli),
    ],
)

TWO_CORES = Profile(
    name="two-cores",
    title="Two cores",
    note="Requests on two cores ÷ one: per second that the cores had for the server (see the method), and as measured, with\n"
    "the load generator and the stub on the same two cores.",
    seconds=6,
    scenarios=[Scenario("one order, one core and two", two_cores)],
    rows=[
        Row("cores.growth", "two cores ÷ one: requests in the time that the server had", ratio),
        Row("cores.cpu", "… CPU per request", ratio),
        Row("cores.measured", "… requests as measured", ratio),
        Row("cores.one", "requests on one core", rate),
        Row("cores.two", "… on two", rate),
        Row("cores.idle", "idle share of the time that the server had on two cores", percent),
    ],
)

IDLE_CLIENTS = Profile(
    name="idle-clients",
    title="2 000 idle clients",
    note=f"A new process with 2 000 connections that made one request each; then {ACTIVE_CLIENTS} more clients are active.",
    connections=4096,
    scenarios=[Scenario("2 000 idle clients", idle_clients)],
    rows=[
        Row("idle.memory", "memory per idle connection", kibibytes),
        Row("idle.cpu", "CPU per second while all are idle", micro),
        Row("idle.median", f"`GET /orders/{{id}}`, {ACTIVE_CLIENTS} active connections: median latency", micro),
        Row("idle.p99", "… 99th percentile", milli),
        Row("idle.request", "… CPU per request", micro),
    ],
)

CHANGES = Profile(
    name="changes",
    title=f"{CHANGES_PER_SECOND} guarded changes per second",
    note="`GET /orders/{id}/status`, then `PATCH` with the tag as `If-Match`. That is four calls to the upstream: the read,\n"
    "the read before the change, the change, the read after it (earlier builds left the last one out).",
    servers=OWN,
    scenarios=[Scenario("guarded changes", guarded_changes, needs_wrk=False)],
    rows=[
        Row("changes.cpu", "CPU per change, with its read", micro),
        Row("changes.pair", "median time of read and change since they were due", milli),
        Row("changes.pair99", "… 99th percentile", milli),
        Row("changes.median", "median latency of the `PATCH`", milli),
        Row("changes.p99", "… 99th percentile", milli),
    ],
)

PROFILES = [BASE, SLOW_UPSTREAM, TLS, TWO_CORES, IDLE_CLIENTS, CHANGES]

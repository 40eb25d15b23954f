"""Collects the figures and renders them as two Markdown tables."""

import datetime
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

# Column headings. HOP is the server that all ratios are to.
GATEWAY, PREVIOUS, HOP, NODE = "gateway", "previous", "nginx, connections kept", "Node"


@dataclass
class Figures:
    """All measured values."""

    servers: list[str]
    # Keyed by metric, server and round.
    values: dict[tuple[str, str, int], float] = field(default_factory=dict)
    rounds: int = 0
    failed: bool = False

    def add(self, server: str, number: int, values: dict[str, float]) -> None:
        self.rounds = max(self.rounds, number + 1)
        for metric, value in values.items():
            self.values[metric, server, number] = value

    def series(self, metric: str, server: str) -> dict[int, float]:
        """Values by round; rounds without a value are absent."""
        values = {number: self.values.get((metric, server, number)) for number in range(self.rounds)}
        return {number: value for number, value in values.items() if value is not None}

    def ratios(self, metric: str, server: str, to: str = HOP) -> list[float]:
        """Ratio of one server to another, for each round that measured both."""
        return quotients(self.series(metric, server), self.series(metric, to))


def quotients(dividends: dict[int, float], divisors: dict[int, float]) -> list[float]:
    return [value / divisors[number] for number, value in dividends.items() if divisors.get(number)]


# --- formats


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs"


def milli(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def rate(value: float) -> str:
    return f"{value:.0f}/s"


def mebibytes(size: float) -> str:
    return f"{size / 2**20:.1f} MiB"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def median_and_range(values: list[float], render: Callable[[float], str]) -> str:
    if not values:
        return "–"
    median, least, most = (render(statistic(values)) for statistic in (statistics.median, min, max))
    return median if least == most else f"{median} ({least}–{most})"


# --- tables


@dataclass(frozen=True)
class Row:
    """One metric of the second table."""

    metric: str
    title: str
    render: Callable[[float], str]


ROWS = [
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
]


@dataclass(frozen=True)
class Goal:
    """One figure of the gateway in the first table; ratios to the hop have no limit."""

    title: str
    measured: Callable[[Figures], list[float]]
    render: Callable[[float], str]
    must: str = "–"
    aim: str = "–"


def to_hop(metric: str) -> Callable[[Figures], list[float]]:
    return lambda figures: figures.ratios(metric, GATEWAY)


def own(metric: str) -> Callable[[Figures], list[float]]:
    return lambda figures: list(figures.series(metric, GATEWAY).values())


def growth(figures: Figures) -> list[float]:
    return quotients(figures.series("memory.huge", GATEWAY), figures.series("memory.long", GATEWAY))


def to_node(figures: Figures) -> list[float]:
    return figures.ratios("order.cpu", GATEWAY, NODE)


GOALS = [
    Goal("`GET /orders/{id}`, 64 connections, CPU per request ÷ hop", to_hop("order.cpu"), ratio),
    Goal("the same, median latency at 1 connection ÷ hop", to_hop("alone.median"), ratio),
    Goal("1 000-order list, CPU per request ÷ hop", to_hop("short.cpu"), ratio),
    Goal("100 000 orders, total time ÷ hop", to_hop("long.total"), ratio),
    Goal("100 000 orders, time to first byte ÷ total time", own("long.share"), percent, "≤ 4 %", "≤ 1 %"),
    Goal("peak memory of a 1 000 000-order list ÷ of a 100 000-order list", growth, ratio, "≤ 1.2", "≤ 1.05"),
    Goal("peak memory with 16 lists of 100 000 at once", own("memory.many"), mebibytes, "≤ 48 MiB", "≤ 24 MiB"),
    Goal("CPU per request ÷ Node, one order", to_node, ratio, "≤ 0.25", "≤ 0.15"),
]


def server_cell(figures: Figures, row: Row, server: str) -> str:
    """The median, and the ratio to the hop."""
    values = list(figures.series(row.metric, server).values())
    if not values:
        return "–"
    median = row.render(statistics.median(values))
    ratios = figures.ratios(row.metric, server)
    return median if server == HOP or not ratios else f"{median}; {median_and_range(ratios, ratio)}"


def columns(figures: Figures) -> dict[str, Callable[[Row], str]]:
    """One column for each server; after a previous build one more, with the ratio of the current build to it."""
    found = {}
    for server in figures.servers:
        found[server] = lambda row, server=server: server_cell(figures, row, server)
        if server == PREVIOUS:
            found[f"{GATEWAY} ÷ {PREVIOUS}"] = lambda row: median_and_range(
                figures.ratios(row.metric, GATEWAY, PREVIOUS), ratio
            )
    return found


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(headings: list[str], rows: list[list[str]]) -> str:
    return line(headings) + line(["---"] * len(headings)) + "".join(line(row) for row in rows)


PREVIOUS_NOTE = (
    f"*{PREVIOUS}* is an earlier build of the gateway, measured in the same rounds.\n"
    f"*{GATEWAY} ÷ {PREVIOUS}* is the ratio of this build to it, within each round.\n"
)


def markdown(figures: Figures, machine: list[str], day: datetime.date) -> str:
    goals = [[goal.title, median_and_range(goal.measured(figures), goal.render), goal.must, goal.aim] for goal in GOALS]
    cells = columns(figures)
    rows = [[row.title, *(cell(row) for cell in cells.values())] for row in ROWS]
    note = PREVIOUS_NOTE if PREVIOUS in figures.servers else ""
    return (
        f"# Load: results\n\n{day}, {', '.join(machine)}. [README.md](README.md) documents the method.\n\n"
        "The *hop* is nginx as a plain proxy that keeps its connections to the upstream. Ratios to it have no limit.\n"
        "Values are medians over the rounds, with minimum and maximum in parentheses.\n\n"
        f"## The gateway\n\n{table(['Figure', 'measured', 'must', 'aim'], goals)}\n"
        f"## All servers\n\nThe median of each server, then its ratio to the hop in the same round.\n{note}\n"
        f"{table(['', *cells], rows)}"
    )

"""The figures and what is made of them: two tables in Markdown."""

import datetime
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

GATEWAY, HOP, NODE = "gateway", "nginx, plain hop", "Node"


@dataclass
class Figures:
    """All that was measured."""

    servers: list[str]
    # By what, server and round.
    values: dict[tuple[str, str, int], float] = field(default_factory=dict)
    rounds: int = 0
    failed: bool = False

    def add(self, server: str, number: int, values: dict[str, float]) -> None:
        self.rounds = max(self.rounds, number + 1)
        for what, value in values.items():
            self.values[what, server, number] = value

    def series(self, what: str, server: str) -> dict[int, float]:
        """The values by round; rounds without one are absent."""
        values = {number: self.values.get((what, server, number)) for number in range(self.rounds)}
        return {number: value for number, value in values.items() if value is not None}

    def ratios(self, what: str, server: str, to: str = HOP) -> list[float]:
        """How a server compares to another in each round in which both were measured."""
        return quotients(self.series(what, server), self.series(what, to))


def quotients(above: dict[int, float], below: dict[int, float]) -> list[float]:
    return [value / below[number] for number, value in above.items() if below.get(number)]


# --- forms


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


def median_and_range(values: list[float], form: Callable[[float], str]) -> str:
    if not values:
        return "–"
    middle, least, most = (form(of(values)) for of in (statistics.median, min, max))
    return middle if least == most else f"{middle} ({least}–{most})"


# --- tables


@dataclass(frozen=True)
class Row:
    """One line of the table: a name of a figure, and how it is told."""

    what: str
    title: str
    form: Callable[[float], str]


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
    """What the gateway is held to."""

    title: str
    measured: Callable[[Figures], list[float]]
    form: Callable[[float], str]
    must: str
    aim: str


def to_hop(what: str) -> Callable[[Figures], list[float]]:
    return lambda figures: figures.ratios(what, GATEWAY)


def own(what: str) -> Callable[[Figures], list[float]]:
    return lambda figures: list(figures.series(what, GATEWAY).values())


def growth(figures: Figures) -> list[float]:
    return quotients(figures.series("memory.huge", GATEWAY), figures.series("memory.long", GATEWAY))


def to_node(figures: Figures) -> list[float]:
    return figures.ratios("order.cpu", GATEWAY, NODE)


GOALS = [
    Goal("`GET /orders/{id}`, 64 connections, CPU per request ÷ hop", to_hop("order.cpu"), ratio, "≤ 2.6", "≤ 1.8"),
    Goal("the same, median latency at 1 connection ÷ hop", to_hop("alone.median"), ratio, "≤ 1.35", "≤ 1.2"),
    Goal("1 000-order list, CPU per request ÷ hop", to_hop("short.cpu"), ratio, "≤ 2.0", "≤ 1.3"),
    Goal("100 000 orders, total time ÷ hop", to_hop("long.total"), ratio, "≤ 3.0", "≤ 1.8"),
    Goal("100 000 orders, first byte as a share of own total", own("long.share"), percent, "≤ 4 %", "≤ 1 %"),
    Goal("peak memory of a 1 000 000-order list ÷ of a 100 000-order list", growth, ratio, "≤ 1.2", "≤ 1.05"),
    Goal("peak memory with 16 lists of 100 000 at once", own("memory.many"), mebibytes, "≤ 48 MiB", "≤ 24 MiB"),
    Goal("CPU per request ÷ Node, one order", to_node, ratio, "≤ 0.25", "≤ 0.15"),
]


def cell(figures: Figures, row: Row, server: str) -> str:
    values = list(figures.series(row.what, server).values())
    if not values:
        return "–"
    absolute = row.form(statistics.median(values))
    ratios = figures.ratios(row.what, server)
    return absolute if server == HOP or not ratios else f"{absolute}; {median_and_range(ratios, ratio)}"


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(heads: list[str], rows: list[list[str]]) -> str:
    return line(heads) + line(["---"] * len(heads)) + "".join(line(row) for row in rows)


def markdown(figures: Figures, machine: list[str], day: datetime.date) -> str:
    goals = [[goal.title, median_and_range(goal.measured(figures), goal.form), goal.must, goal.aim] for goal in GOALS]
    rows = [[row.title, *(cell(figures, row, server) for server in figures.servers)] for row in ROWS]
    return (
        f"# Load: results\n\n{day}, {', '.join(machine)}. README.md tells how this was measured.\n\n"
        f"## The gateway and its goals\n\nThe median over the rounds, with the least and the greatest.\n\n"
        f"{table(['Figure', 'measured', 'must', 'aim'], goals)}\n"
        f"## All servers\n\nThe median over the rounds; after it the ratio to the plain hop of the same round, as median, "
        f"least and greatest.\n\n{table(['', *figures.servers], rows)}"
    )

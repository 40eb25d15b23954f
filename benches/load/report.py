"""Renders the figures as Markdown: the gateway's own with their limits, then a table of all servers for each profile."""

import datetime
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from figures import ENVOY, GATEWAY, HOP, NODE, PREVIOUS, Figures, mebibytes, median_and_range, percent, quotients, ratio
from profiles import BASE, TWO_CORES, Profile, Row

# The figures of each profile that was measured.
Results = dict[str, Figures]


@dataclass(frozen=True)
class Goal:
    """One figure of the gateway, and what it must and should be: at most this, or at least."""

    title: str
    measured: Callable[[Results], list[float]]
    render: Callable[[float], str]
    must: float
    aim: float
    is_minimum: bool = False

    def cells(self, results: Results) -> list[str]:
        values = self.measured(results)
        sign = "≥" if self.is_minimum else "≤"
        limits = [f"{sign} {self.render(limit)}" for limit in (self.must, self.aim)]
        return [self.title, median_and_range(values, self.render), *limits, self.verdict(values)]

    def verdict(self, values: list[float]) -> str:
        median = statistics.median(values)
        return "aim" if self.meets(median, self.aim) else "must" if self.meets(median, self.must) else "**neither**"

    def meets(self, value: float, limit: float) -> bool:
        return value >= limit if self.is_minimum else value <= limit


def base(results: Results) -> Figures:
    return results.get(BASE.name, Figures([]))


def to(metric: str, server: str) -> Callable[[Results], list[float]]:
    return lambda results: base(results).ratios(metric, GATEWAY, server)


def own(metric: str, profile: Profile = BASE) -> Callable[[Results], list[float]]:
    return lambda results: list(results.get(profile.name, Figures([])).series(metric, GATEWAY).values())


def growth(results: Results) -> list[float]:
    return quotients(base(results).series("memory.huge", GATEWAY), base(results).series("memory.long", GATEWAY))


def mib(count: float) -> float:
    return count * 2**20


GOALS = [
    Goal("one order, CPU per request ÷ previous", to("order.cpu", PREVIOUS), ratio, 0.65, 0.5),
    Goal("… ÷ nginx, connections kept", to("order.cpu", HOP), ratio, 2.2, 1.6),
    Goal("… ÷ Envoy", to("order.cpu", ENVOY), ratio, 0.7, 0.5),
    Goal("… ÷ Node", to("order.cpu", NODE), ratio, 0.25, 0.15),
    Goal("one order, median latency at 1 connection ÷ nginx, connections kept", to("alone.median", HOP), ratio, 1.7, 1.3),
    Goal("list of 1 000, CPU per request ÷ previous", to("short.cpu", PREVIOUS), ratio, 0.5, 0.35),
    Goal("… ÷ nginx, connections kept", to("short.cpu", HOP), ratio, 1.7, 1.3),
    Goal("100 000 orders, total time ÷ nginx, connections kept", to("long.total", HOP), ratio, 2.5, 1.6),
    Goal("100 000 orders, time to first byte ÷ total time", own("long.share"), percent, 0.04, 0.01),
    Goal("peak memory, 1 000 000 orders", own("memory.huge"), mebibytes, mib(12), mib(10)),
    Goal("… ÷ 100 000 orders", growth, ratio, 1.2, 1.05),
    Goal("peak memory, 16 lists of 100 000 at once", own("memory.many"), mebibytes, mib(16), mib(14)),
    Goal("requests on two cores ÷ one", own("cores.growth", TWO_CORES), ratio, 1.7, 1.9, is_minimum=True),
]


def server_cell(figures: Figures, row: Row, server: str) -> str:
    """The median, and the ratio to the hop."""
    values = list(figures.series(row.metric, server).values())
    if not values:
        return "–"
    median = row.render(statistics.median(values))
    ratios = figures.ratios(row.metric, server)
    # A ratio says nothing about what is a ratio itself.
    is_compared = server != HOP and ratios and row.render not in (ratio, percent)
    return f"{median}; {median_and_range(ratios, ratio)}" if is_compared else median_and_range(values, row.render)


def columns(figures: Figures) -> dict[str, Callable[[Row], str]]:
    """One column for each server; after a previous build one more, with the ratio of the current build to it."""

    def cell(server: str) -> Callable[[Row], str]:
        return lambda row: server_cell(figures, row, server)

    found: dict[str, Callable[[Row], str]] = {}
    for server in figures.servers:
        found[server] = cell(server)
        if server == PREVIOUS:
            found[f"{GATEWAY} ÷ {PREVIOUS}"] = lambda row: change_cell(figures, row)
    return found


def change_cell(figures: Figures, row: Row) -> str:
    return median_and_range(figures.ratios(row.metric, GATEWAY, PREVIOUS), ratio)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(headings: list[str], rows: list[list[str]]) -> str:
    return line(headings) + line(["---"] * len(headings)) + "".join(line(row) for row in rows)


def section(profile: Profile, figures: Figures) -> str:
    cells = columns(figures)
    rows = [[row.title, *(cell(row) for cell in cells.values())] for row in profile.rows]
    return f"## {profile.title}\n\n{profile.note}\n\n{table(['', *cells], rows)}"


def markdown(profiles: list[Profile], results: Results, machine: list[str], day: datetime.date) -> str:
    goals = [goal.cells(results) for goal in GOALS if goal.measured(results)]
    own_section = f"## The gateway\n\n{table(['Figure', 'measured', 'must', 'aim', 'reached'], goals)}\n" if goals else ""
    note = f" *{PREVIOUS}* is an earlier build of the gateway." if PREVIOUS in base(results).servers else ""
    sections = "\n".join(section(profile, results[profile.name]) for profile in profiles)
    return (
        f"# Load: results\n\n{day}, {', '.join(machine)}. [README.md](README.md) documents the method.\n\n"
        "Values are medians over the rounds, with minimum and maximum in parentheses; ratios are of values of the same round.\n"
        "In the tables of all servers, the figure after the semicolon is the ratio to nginx with kept connections (the *hop*)."
        f"{note}\n\n{own_section}{sections}"
    )

"""The measured values, and how they are written."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

# Column headings. HOP is the server that all ratios are to.
GATEWAY, PREVIOUS, HOP, NODE = "gateway", "previous", "nginx, connections kept", "Node"
ENVOY, HAPROXY, CADDY = "Envoy", "HAProxy", "Caddy"


@dataclass
class Figures:
    """The values of one profile."""

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


def kibibytes(size: float) -> str:
    return f"{size / 2**10:.1f} KiB"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def median_and_range(values: list[float], render: Callable[[float], str]) -> str:
    if not values:
        return "–"
    median, least, most = (render(statistic(values)) for statistic in (statistics.median, min, max))
    return median if least == most else f"{median} ({least}–{most})"

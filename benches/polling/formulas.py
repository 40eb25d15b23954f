"""The scenario, and the formulas that docs/performance.md gives for `max_in_flight` and the number of replicas."""

import itertools
import math
import random
from dataclasses import dataclass

LIST_INTERVAL = 300.0  # each client reads a list this often (all times are in seconds),
LIST_FACTOR = 5  # which takes so many times as long as an order
FOLLOWED_ORDERS = 1000  # orders that half of the clients follow, by a Zipf law; the others follow one order each


@dataclass(frozen=True)
class Scenario:
    """What an operator knows or chooses."""

    latency: float
    interval: float
    replicas: int = 10
    max_in_flight: int = 64
    clients: int = 10_000

    @property
    def reads(self) -> int:
        """Permits for reads, of each replica."""
        return self.max_in_flight - self.max_in_flight // 4

    @property
    def lists(self) -> int:
        return max(self.reads // 2, 1)

    def followers(self) -> list[int]:
        """The order that each client follows."""
        rng = random.Random(1)
        weights = list(itertools.accumulate(1 / rank for rank in range(1, FOLLOWED_ORDERS + 1)))
        shared = rng.choices(range(FOLLOWED_ORDERS), cum_weights=weights, k=self.clients // 2)
        return shared + list(range(FOLLOWED_ORDERS, FOLLOWED_ORDERS + self.clients - len(shared)))


@dataclass(frozen=True)
class Expected:
    """What the formulas give."""

    calls_per_read: float
    calls_per_second: float
    # Calls in flight to the upstream, for each replica: all, and lists.
    in_flight: float
    lists_in_flight: float

    @property
    def needed(self) -> int:
        """The max_in_flight with which hardly a read waits: reads have 3/4 of it, and lists 3/8."""
        return math.ceil(max(4 / 3 * peak(self.in_flight), 8 / 3 * peak(self.lists_in_flight)))


def peak(mean: float) -> float:
    """The mean of a Poisson distribution and three standard deviations."""
    return mean + 3 * math.sqrt(mean)


def expected(scenario: Scenario) -> Expected:
    """Of the reads of an order that n clients follow, 1 ÷ (1 + (n − 1) · L ÷ ((T + L) · R)) become calls."""
    counts: dict[int, int] = {}
    for order in scenario.followers():
        counts[order] = counts.get(order, 0) + 1
    cycle = scenario.interval + scenario.latency
    others = scenario.latency / (cycle * scenario.replicas)
    share = sum(n / (1 + (n - 1) * others) for n in counts.values()) / scenario.clients
    lists = scenario.clients / LIST_INTERVAL
    reads = scenario.clients / cycle - lists
    calls = reads * share
    # Little's law: calls per second × their duration.
    lists_in_flight = lists * scenario.latency * LIST_FACTOR / scenario.replicas
    in_flight = calls * scenario.latency / scenario.replicas + lists_in_flight
    return Expected(share, calls + lists, in_flight, lists_in_flight)

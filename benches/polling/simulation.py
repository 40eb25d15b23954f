"""Simulates clients that poll order statuses through several replicas of the gateway.

Modelled after src/backend/coalescing.rs and src/resilience/concurrency_limit.rs: equal reads in flight share one call, in each
replica; lists share nothing; three quarters of the permits are for reads, half of these for lists; who waits for one is
rejected when its remaining time is below the expected service time. Not modelled: writes, faults, retries, the breaker.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from formulas import LIST_FACTOR, LIST_INTERVAL, Scenario

CALL_TIMEOUT = 10.0  # upstreams.*.timeout
SPREAD = 0.5  # standard deviation of the upstream's latency ÷ its mean (log-normal)
JITTER = 0.5  # clients wait the interval ± this share of it
MEASURED_READS = 20_000


class Clock:
    """Runs actions in the order of their times."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = itertools.count()

    def after(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.numbers), action))

    def step(self) -> None:
        self.now, _, action = heapq.heappop(self.events)
        action()


@dataclass
class Call:
    """A call to the upstream, or one that waits for its permit."""

    order: int | None
    began: float
    # Called with whether the call succeeded: one for each client that joined.
    waiters: list[Callable[[bool], None]] = field(default_factory=list)
    is_waiting: bool = False

    @property
    def is_list(self) -> bool:
        return self.order is None


@dataclass
class Counts:
    """What is measured once the simulation has warmed up."""

    reads: int = 0
    calls: int = 0
    lists: int = 0
    refused: int = 0
    waited: float = 0.0
    latency: float = 0.0
    busy: float = 0.0
    most: int = 0


class Replica:
    """One gateway: coalescing in front of the limit of one upstream."""

    def __init__(self, scenario: Scenario, clock: Clock, rng: random.Random, upstream: "Upstream"):
        self.scenario, self.clock, self.rng, self.upstream = scenario, clock, rng, upstream
        self.shared: dict[int, Call] = {}
        self.reads = self.lists = 0
        self.read_queue: deque[Call] = deque()
        self.list_queue: deque[Call] = deque()
        self.average = 0.0

    def request(self, order: int | None, done: Callable[[bool], None]) -> None:
        call = None if order is None else self.shared.get(order)
        if call is None:
            call = Call(order, self.clock.now)
            if order is not None:
                self.shared[order] = call
            call.waiters.append(done)
            self.admit(call)
        else:
            call.waiters.append(done)

    def admit(self, call: Call) -> None:
        has_list_permit = not call.is_list or self.lists < self.scenario.lists
        if has_list_permit and self.reads < self.scenario.reads and not self.read_queue:
            self.lists += call.is_list
            self.start(call)
            return
        patience = CALL_TIMEOUT - self.expected_service_time()
        if patience <= 0:
            self.end(call, False)
            return
        call.is_waiting = True
        if has_list_permit:
            self.lists += call.is_list
            self.read_queue.append(call)
        else:
            self.list_queue.append(call)
        self.clock.after(patience, partial(self.give_up, call))

    def give_up(self, call: Call) -> None:
        if not call.is_waiting:
            return
        call.is_waiting = False
        if call in self.read_queue:
            self.read_queue.remove(call)
            self.lists -= call.is_list
        else:
            self.list_queue.remove(call)
        self.end(call, False)
        self.admit_waiters()

    def start(self, call: Call) -> None:
        self.reads += 1
        self.upstream.start(call, self.clock.now - call.began)
        began, time_left = self.clock.now, call.began + CALL_TIMEOUT - self.clock.now
        mean = self.scenario.latency * (LIST_FACTOR if call.is_list else 1)
        service = self.rng.lognormvariate(math.log(mean) - math.log1p(SPREAD**2) / 2, math.sqrt(math.log1p(SPREAD**2)))
        # The deadline of a list is for its first item.
        is_in_time = call.is_list or service <= time_left
        self.clock.after(service if is_in_time else time_left, partial(self.finish, call, began, is_in_time))

    def finish(self, call: Call, began: float, is_in_time: bool) -> None:
        self.reads -= 1
        self.lists -= call.is_list
        self.upstream.finish()
        # How long a list takes depends on its reader, so it is not recorded.
        if not call.is_list:
            latency = self.clock.now - began
            if not is_in_time:
                latency = max(latency, min(2 * self.average, max(CALL_TIMEOUT, self.average)))
            self.average += (latency - self.average) / 8
        self.end(call, is_in_time)
        self.admit_waiters()

    def admit_waiters(self) -> None:
        while self.list_queue and self.lists < self.scenario.lists:
            self.lists += 1
            self.read_queue.append(self.list_queue.popleft())
        while self.read_queue and self.reads < self.scenario.reads:
            call = self.read_queue.popleft()
            call.is_waiting = False
            if self.clock.now + self.expected_service_time() > call.began + CALL_TIMEOUT:
                self.lists -= call.is_list
                self.end(call, False)
            else:
                self.start(call)

    def end(self, call: Call, is_success: bool) -> None:
        if call.order is not None:
            del self.shared[call.order]
        for done in call.waiters:
            done(is_success)

    def expected_service_time(self) -> float:
        return self.average * 5 / 4


class Upstream:
    """Counts the calls in flight of all replicas."""

    def __init__(self, clock: Clock):
        self.clock, self.counts = clock, Counts()
        self.in_flight, self.changed = 0, 0.0

    def account(self) -> None:
        self.counts.busy += self.in_flight * (self.clock.now - self.changed)
        self.changed = self.clock.now

    def start(self, call: Call, waited: float) -> None:
        self.account()
        self.in_flight += 1
        self.counts.most = max(self.counts.most, self.in_flight)
        self.counts.waited += waited
        if call.is_list:
            self.counts.lists += 1
        else:
            self.counts.calls += 1

    def finish(self) -> None:
        self.account()
        self.in_flight -= 1

    def reset(self) -> None:
        self.account()
        self.counts = Counts()


@dataclass(frozen=True)
class Simulated:
    """What the simulation gives."""

    calls_per_read: float
    calls_per_second: float
    in_flight: float
    most: int
    refused: float
    waited: float
    latency: float


def simulate(scenario: Scenario) -> Simulated:
    rng, clock = random.Random(2), Clock()
    upstream = Upstream(clock)
    replicas = [Replica(scenario, clock, rng, upstream) for _ in range(scenario.replicas)]

    def poll(order: int) -> None:
        is_list = rng.random() < (scenario.interval + scenario.latency) / LIST_INTERVAL
        began = clock.now

        def done(is_success: bool) -> None:
            upstream.counts.refused += not is_success
            if not is_list:
                upstream.counts.reads += 1
                upstream.counts.latency += clock.now - began
            clock.after(scenario.interval * rng.uniform(1 - JITTER, 1 + JITTER), partial(poll, order))

        rng.choice(replicas).request(None if is_list else order, done)

    for order in scenario.followers():
        clock.after(rng.uniform(0, scenario.interval + scenario.latency), partial(poll, order))
    while clock.now < 2 * (scenario.interval + scenario.latency):
        clock.step()
    upstream.reset()
    began = clock.now
    while upstream.counts.reads < MEASURED_READS:
        clock.step()
    upstream.account()
    counts, seconds = upstream.counts, clock.now - began
    return Simulated(
        counts.calls / counts.reads,
        (counts.calls + counts.lists) / seconds,
        counts.busy / seconds / scenario.replicas,
        counts.most,
        counts.refused / (counts.reads + counts.lists),
        counts.waited / max(counts.calls + counts.lists, 1),
        counts.latency / counts.reads,
    )

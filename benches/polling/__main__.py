"""Checks the formulas of docs/performance.md against a simulation, and prints its tables.

python3 -B benches/polling
python3 -B benches/polling --clients 3000 --interval 10 --latency 0.4 --replicas 3

Deterministic; takes some fifteen seconds. Fails if a formula and the simulation disagree.
"""

import argparse
import itertools
import sys
from dataclasses import replace

from formulas import Scenario, expected
from simulation import simulate

# How far a simulated value may be from the formula's.
TOLERANCE = 0.05
# How long a call waits for its permit on average at most, as a share of the upstream's latency, if there are enough.
WAIT = 0.01


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


# A row of a table, and in what formula and simulation disagree.
Row = tuple[list[str], list[str]]


def with_the_formulas_choice(given: Scenario) -> Row:
    formula = expected(given)
    scenario = replace(given, max_in_flight=formula.needed)
    found = simulate(scenario)
    pairs = {
        "calls per read": (formula.calls_per_read, found.calls_per_read, ".2f"),
        "calls per second": (formula.calls_per_second, found.calls_per_second, ".0f"),
        "in flight": (formula.in_flight, found.in_flight, ".1f"),
    }
    wrong = [name for name, (left, right, _) in pairs.items() if abs(right / left - 1) > TOLERANCE]
    wrong += ["refused"] if found.refused else []
    wrong += ["waiting"] if found.waited > WAIT * scenario.latency else []
    wrong += ["most in flight"] if found.most > scenario.replicas * scenario.reads else []
    compared = [f"{left:{digits}} · {right:{digits}}" for left, right, digits in pairs.values()]
    cells = [f"{scenario.latency:g} s", f"{scenario.interval:g} s", str(scenario.replicas), str(scenario.max_in_flight)]
    cells += [*compared, str(found.most), f"{found.waited * 1e3:.1f} ms"]
    return cells, [f"{line(cells)}: {name}" for name in wrong]


def with_another_choice(max_in_flight: int) -> Row:
    scenario = Scenario(latency=1, interval=10, max_in_flight=max_in_flight)
    formula, found = expected(scenario), simulate(scenario)
    cells = [str(max_in_flight), f"{found.calls_per_read:.2f}", f"{found.calls_per_second:.0f}", str(found.most)]
    cells += [f"{100 * found.refused:.1f} %", f"{found.waited:.2f} s", f"{found.latency:.2f} s"]
    is_enough = max_in_flight >= formula.needed
    wrong = ["more in flight than permitted"] if found.most > scenario.replicas * scenario.reads else []
    # Permits for less than the mean number of calls in flight are always all in use.
    if scenario.reads < formula.in_flight and found.in_flight < (1 - TOLERANCE) * scenario.reads:
        wrong.append("idle permits")
    if is_enough and (found.refused or found.waited > WAIT * scenario.latency):
        wrong.append("waiting")
    return cells, [f"{line(cells)}: {name}" for name in wrong]


def parse() -> Scenario | None:
    """The scenario given in the arguments, if there are any."""
    parser = argparse.ArgumentParser(prog="python3 -B benches/polling", description="Without arguments, prints all tables.")
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=5, help="seconds between two requests of a client")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that the upstream takes for an order")
    parser.add_argument("--replicas", type=int, default=10)
    arguments = parser.parse_args()
    given = Scenario(arguments.latency, arguments.interval, arguments.replicas, clients=arguments.clients)
    return given if len(sys.argv) > 1 else None


def main() -> None:
    wrong: list[str] = []

    def table(headings: list[str], rows: list[Row]) -> None:
        print("\n".join([line(headings), line(["---"] * len(headings)), *(line(cells) for cells, _ in rows)]))
        wrong.extend(itertools.chain.from_iterable(faults for _, faults in rows))

    given = parse()
    grid = itertools.product((0.05, 0.2, 1), (5, 30), (2, 10))
    scenarios = [given] if given else list(itertools.starmap(Scenario, grid))
    headings = ["latency", "interval", "replicas", "`max_in_flight`", "calls per read", "calls per second"]
    headings += ["in flight, each replica", "most in flight, all replicas", "mean wait"]
    table(headings, [with_the_formulas_choice(scenario) for scenario in scenarios])
    if not given:
        needed = expected(Scenario(latency=1, interval=10)).needed
        headings = ["`max_in_flight`", "calls per read", "calls per second", "most in flight, all replicas", "refused"]
        print()
        table([*headings, "mean wait", "mean latency"], [with_another_choice(value) for value in (16, 64, 112, needed, 256)])
    if wrong:
        sys.exit("the formulas do not hold:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()

"""Measures the gateway beside others; `run` makes what it needs and starts it."""

import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import tempfile

import chart
import report
import servers
from probes import HERE, Broken, wait_until_idle
from report import Figures
from scenarios import SCENARIOS, Candidate, Effort, check, warm_up

# Far more than it takes; it is there for what hangs.
SECONDS_TO_BEGIN, SECONDS_PER_ROUND = 300, 600


def main() -> None:
    arguments = parse()
    effort = Effort(1, 1, 2) if arguments.quick else Effort(arguments.rounds, 5, 5)
    stop_at_signals(SECONDS_TO_BEGIN + effort.rounds * SECONDS_PER_ROUND)
    share_the_cores()
    with tempfile.TemporaryDirectory(prefix="load-") as folder, contextlib.ExitStack() as stack:
        candidates = start(arguments, effort, pathlib.Path(folder), stack)
        figures = measure(candidates, effort)
    text = report.markdown(figures, machine(effort), datetime.date.today())
    print("\n" + text)
    if figures.failed:
        raise SystemExit("a server failed, so there are no results")
    if not arguments.quick:
        (HERE / "results.md").write_text(text, encoding="utf-8")
        (HERE / "results.svg").write_text(chart.svg(figures), encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/load/run", description="Measures the gateway beside others.")
    parser.add_argument("--rounds", type=int, default=4, help="how often everything is measured (default: 4)")
    parser.add_argument("--quick", action="store_true", help="one short round that only shows that it works; writes no files")
    parser.add_argument("--gateway", type=pathlib.Path, metavar="PATH", help="a further build of the gateway, to compare with")
    # What `run` has made.
    parser.add_argument("--own-gateway", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--stub", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--node-modules", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if arguments.gateway and not os.access(arguments.gateway, os.X_OK):
        parser.error("--gateway names no program")
    return arguments


def stop_at_signals(seconds: int) -> None:
    """Ends through an exception, which stops all that was started, when asked to and when it takes too long."""

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

    def end(number: int, _) -> None:
        # Nothing may interrupt the stopping.
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit("it took too long" if number == signal.SIGALRM else "interrupted")

    for number in signals:
        signal.signal(number, end)
    signal.alarm(seconds)


def share_the_cores() -> None:
    """Leaves the first core to the servers; stub, load and this program take the second."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("it takes two cores: one for the servers, one for the load")
    servers.CORE = cores[0]
    os.sched_setaffinity(0, {cores[1]})


# --- servers


def chosen(arguments: argparse.Namespace) -> list[servers.Server]:
    """Those that can be had here."""
    found = [servers.gateway(report.GATEWAY, arguments.own_gateway.resolve())]
    if arguments.gateway:
        found.append(servers.gateway("gateway B", arguments.gateway.resolve()))
    if shutil.which("nginx"):
        found.append(servers.hop(report.HOP))
        found.append(servers.kept("nginx, connections kept"))
        if servers.XSLT_MODULE.exists():
            found.append(servers.xslt("nginx with XSLT"))
    if arguments.node_modules:
        found.append(servers.node(report.NODE, arguments.node_modules.resolve()))
    return found


def start(
    arguments: argparse.Namespace, effort: Effort, folder: pathlib.Path, stack: contextlib.ExitStack
) -> list[Candidate]:
    """Starts everything and makes sure that every server answers rightly."""
    # nginx gives its rights up when root has started it, and must still get at what is below.
    folder.chmod(0o755)
    upstream = stack.enter_context(servers.stub(arguments.stub.resolve(), folder / "stub"))
    candidates, answers = [], {}
    for place, server in enumerate(chosen(arguments)):
        own = folder / f"server-{place}"
        own.mkdir()
        running = stack.enter_context(server.running(upstream, own / "0"))
        candidate = Candidate(server, running, upstream, own)
        try:
            answers[server.name] = check(candidate)
            if shutil.which("wrk"):
                warm_up(candidate, effort)
            candidates.append(candidate)
        except Broken as broken:
            raise SystemExit(f"{server.name} does not answer rightly: {broken}") from broken
    tell_differences(answers)
    return candidates


def tell_differences(answers: dict[str, dict | None]) -> None:
    """Says which servers make other JSON than the gateway: then they do not do the same work."""
    own = answers.get(report.GATEWAY)
    for name, answer in answers.items():
        if own and answer and answer != own:
            kinds = [kind for kind in own if own[kind] != answer[kind]]
            print(f"note: {name} answers {' and '.join(kinds)} with other JSON than the gateway")


# --- rounds


def measure(candidates: list[Candidate], effort: Effort) -> Figures:
    """Puts every server through every scenario, round by round, so that what disturbs one disturbs all."""
    figures = Figures([candidate.name for candidate in candidates])
    processes = [candidate.running.process for candidate in candidates]
    scenarios = [scenario for scenario in SCENARIOS if shutil.which("wrk") or not scenario.needs_wrk]
    for number in range(effort.rounds):
        # Nobody always has the same neighbour.
        first = number % len(candidates)
        for scenario in scenarios:
            print(f"round {number + 1} of {effort.rounds}: {scenario.title}", flush=True)
            for candidate in candidates[first:] + candidates[:first]:
                try:
                    wait_until_idle(processes)
                    figures.add(candidate.name, number, scenario.measure(candidate, effort))
                # A server that has died has no clock to read any more.
                except (Broken, OSError) as error:
                    print(f"FAILED: {candidate.name}: {error}", flush=True)
                    figures.failed = True
    return figures


def machine(effort: Effort) -> list[str]:
    """What the figures depend on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    found = [model, f"{os.cpu_count()} cores", f"Linux {platform.release()}"]
    for command in (["nginx", "-v"], ["node", "--version"]):
        if shutil.which(command[0]):
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            version = (told.stdout + told.stderr).strip().rpartition("/")[2].removeprefix("v")
            found.append(f"{command[0]} {version}")
    rounds = "1 round" if effort.rounds == 1 else f"{effort.rounds} rounds"
    return [*found, rounds]


if __name__ == "__main__":
    main()

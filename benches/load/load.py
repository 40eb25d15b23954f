"""Measures the gateway and other servers under the same load; `run` builds what this needs and starts it."""

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
from probes import HERE, InvalidResponse, wait_until_idle
from report import Figures
from scenarios import SCENARIOS, Candidate, Effort, check, warm_up

# Far above the usual duration: ends a run that hangs.
STARTUP_SECONDS, SECONDS_PER_ROUND = 300, 600


def main() -> None:
    arguments = parse()
    effort = Effort(1, 1, 2) if arguments.quick else Effort(arguments.rounds, 5, 5)
    exit_on_signals(STARTUP_SECONDS + effort.rounds * SECONDS_PER_ROUND)
    assign_cores()
    with tempfile.TemporaryDirectory(prefix="load-") as folder, contextlib.ExitStack() as stack:
        candidates = start(arguments, effort, pathlib.Path(folder), stack)
        figures = measure(candidates, effort)
    text = report.markdown(figures, machine(effort), datetime.date.today())
    print("\n" + text)
    if figures.failed:
        raise SystemExit("a server failed, so no results were written")
    if not arguments.quick:
        (HERE / "results.md").write_text(text, encoding="utf-8")
        (HERE / "results.svg").write_text(chart.svg(figures), encoding="utf-8")


def parse() -> argparse.Namespace:
    purpose = "Measures the gateway and other servers under the same load."
    parser = argparse.ArgumentParser(prog="benches/load/run", description=purpose)
    parser.add_argument("--rounds", type=int, default=4, help="number of rounds (default: 4)")
    parser.add_argument("--quick", action="store_true", help="one short round to check that everything works; writes no files")
    previous = "an earlier build of the gateway, measured in the same rounds as the column `previous`"
    parser.add_argument("--previous", "--gateway", type=pathlib.Path, metavar="PATH", help=previous)
    # Set by `run`.
    parser.add_argument("--own-gateway", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--stub", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--node-modules", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if arguments.previous and not (arguments.previous.is_file() and os.access(arguments.previous, os.X_OK)):
        parser.error("--previous is not an executable file")
    return arguments


def exit_on_signals(seconds: int) -> None:
    """Raises an exception on a signal or after a timeout, so that all child processes are stopped."""

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

    def end(number: int, _) -> None:
        # A second signal must not interrupt the cleanup.
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit("timed out" if number == signal.SIGALRM else "interrupted")

    for number in signals:
        signal.signal(number, end)
    signal.alarm(seconds)


def assign_cores() -> None:
    """Reserves the first core for the servers; the stub, the load generator and this program run on the second."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are required: one for the servers, one for the load")
    servers.CORE = cores[0]
    os.sched_setaffinity(0, {cores[1]})


# --- servers


def available(arguments: argparse.Namespace) -> list[servers.Server]:
    """The servers whose programs are installed here."""
    found = [servers.gateway(report.GATEWAY, arguments.own_gateway.resolve())]
    if arguments.previous:
        found.append(servers.gateway(report.PREVIOUS, arguments.previous.resolve()))
    if shutil.which("nginx"):
        found.append(servers.hop(report.HOP))
        found.append(servers.reconnecting("nginx, reconnecting"))
        if servers.XSLT_MODULE.exists():
            found.append(servers.xslt("nginx with XSLT"))
    if arguments.node_modules:
        found.append(servers.node(report.NODE, arguments.node_modules.resolve()))
    return found


def start(
    arguments: argparse.Namespace, effort: Effort, folder: pathlib.Path, stack: contextlib.ExitStack
) -> list[Candidate]:
    """Starts all servers and checks their responses."""
    # Started as root, nginx drops its privileges; its workers still need access to the files below.
    folder.chmod(0o755)
    upstream = stack.enter_context(servers.stub(arguments.stub.resolve(), folder / "stub"))
    candidates, responses = [], {}
    for number, server in enumerate(available(arguments)):
        own = folder / f"server-{number}"
        own.mkdir()
        running = stack.enter_context(server.running(upstream, own / "0"))
        candidate = Candidate(server, running, upstream, own)
        try:
            responses[server.name] = check(candidate)
            if shutil.which("wrk"):
                warm_up(candidate, effort)
            candidates.append(candidate)
        except InvalidResponse as error:
            raise SystemExit(f"{server.name} failed the response check: {error}") from error
    report_differences(responses)
    return candidates


def report_differences(responses: dict[str, dict | None]) -> None:
    """Names the servers whose JSON differs from the gateway's: they do not do the same work."""
    own = responses.get(report.GATEWAY)
    for name, response in responses.items():
        if own and response and response != own:
            kinds = [kind for kind in own if own[kind] != response[kind]]
            print(f"note: {name} returns different JSON from the gateway for {' and '.join(kinds)}")


# --- rounds


def measure(candidates: list[Candidate], effort: Effort) -> Figures:
    """Runs every scenario against every server, round by round, so that a disturbance affects all of them."""
    figures = Figures([candidate.name for candidate in candidates])
    processes = [candidate.running.process for candidate in candidates]
    scenarios = [scenario for scenario in SCENARIOS if shutil.which("wrk") or not scenario.needs_wrk]
    for number in range(effort.rounds):
        # Rotate the order: no server always follows the same one.
        first = number % len(candidates)
        for scenario in scenarios:
            print(f"round {number + 1} of {effort.rounds}: {scenario.title}", flush=True)
            for candidate in candidates[first:] + candidates[:first]:
                try:
                    wait_until_idle(processes)
                    figures.add(candidate.name, number, scenario.measure(candidate, effort))
                # OSError: the CPU clock of a server that has exited cannot be read.
                except (InvalidResponse, OSError) as error:
                    print(f"FAILED: {candidate.name}: {error}", flush=True)
                    figures.failed = True
    return figures


def machine(effort: Effort) -> list[str]:
    """Describes the machine and the versions that the figures depend on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    found = [model, f"{os.cpu_count()} cores", f"Linux {platform.release()}"]
    for command in (["nginx", "-v"], ["node", "--version"]):
        if shutil.which(command[0]):
            output = subprocess.run(command, capture_output=True, text=True, check=False)
            version = (output.stdout + output.stderr).strip().rpartition("/")[2].removeprefix("v")
            found.append(f"{command[0]} {version}")
    rounds = "1 round" if effort.rounds == 1 else f"{effort.rounds} rounds"
    return [*found, rounds]


if __name__ == "__main__":
    main()

"""Measures the gateway and other servers under the same load; `run` installs and builds what this needs and starts it."""

import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import subprocess
import tempfile

import chart
import figures
import hops
import report
import servers
from figures import Figures
from probes import HERE, InvalidResponse, wait_until_idle
from profiles import BASE, PROFILES, Profile
from programs import CORES, make_certificates, stub
from scenarios import Candidate, Effort, check, warm_up

# Far above the usual duration: ends a run that hangs.
STARTUP_SECONDS, SECONDS_PER_ROUND = 300, 600


def main() -> None:
    arguments = parse()
    profiles = [profile for profile in PROFILES if not arguments.profile or profile.name in arguments.profile]
    rounds = 1 if arguments.quick else arguments.rounds
    exit_on_signals(len(profiles) * (STARTUP_SECONDS + rounds * SECONDS_PER_ROUND))
    prepare_process()
    results = {}
    for profile in profiles:
        print(f"--- {profile.name}: {profile.title}", flush=True)
        effort = Effort(1, 1, 2) if arguments.quick else Effort(rounds, profile.seconds, 5)
        with tempfile.TemporaryDirectory(prefix="load-") as folder, contextlib.ExitStack() as stack:
            candidates = start(profile, arguments, effort, pathlib.Path(folder), stack)
            results[profile.name] = measure(profile, candidates, effort)
    text = report.markdown(profiles, results, machine(arguments, rounds), datetime.date.today())
    print("\n" + text)
    if any(each.failed for each in results.values()):
        raise SystemExit("a server failed, so no results were written")
    if not arguments.quick and not arguments.profile:
        (HERE / "results.md").write_text(text, encoding="utf-8")
        (HERE / "results.svg").write_text(chart.svg(results[BASE.name]), encoding="utf-8")


def parse() -> argparse.Namespace:
    purpose = "Measures the gateway and other servers under the same load."
    parser = argparse.ArgumentParser(prog="benches/load/run", description=purpose)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short round to check that everything works; writes no files")
    names = [profile.name for profile in PROFILES]
    only = "measures only this profile, and writes no files; may be repeated (default: all)"
    parser.add_argument("--profile", action="append", choices=names, help=only)
    previous = "an earlier build of the gateway, measured in the same rounds as the column `previous`"
    parser.add_argument("--previous", "--gateway", type=pathlib.Path, metavar="PATH", help=previous)
    # Set by `run`.
    parser.add_argument("--own-gateway", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--stub", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    for program in ("--node-modules", "--envoy", "--caddy"):
        parser.add_argument(program, type=pathlib.Path, help=argparse.SUPPRESS)
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


def prepare_process() -> None:
    """Moves this process and its children to the second core, and lets them open all the files that the system allows."""
    if len(CORES) < 2:
        raise SystemExit("two cores are required: one for the servers, one for the load")
    os.sched_setaffinity(0, CORES[1:])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- servers


def available(arguments: argparse.Namespace) -> list[servers.Server]:
    """The servers whose programs are installed here."""
    found = [servers.gateway(figures.GATEWAY, arguments.own_gateway.resolve())]
    if arguments.previous:
        found.append(servers.gateway(figures.PREVIOUS, arguments.previous.resolve()))
    if shutil.which("nginx"):
        found.append(hops.nginx(figures.HOP))
        found += [hops.nginx_tuned("nginx, tuned"), hops.nginx_reconnecting("nginx, reconnecting")]
    if arguments.envoy:
        found.append(hops.envoy(figures.ENVOY, arguments.envoy.resolve()))
    if shutil.which("haproxy"):
        found.append(hops.haproxy(figures.HAPROXY))
    if arguments.caddy:
        found.append(hops.caddy(figures.CADDY, arguments.caddy.resolve()))
    if shutil.which("nginx") and hops.XSLT_MODULE.exists():
        found.append(hops.nginx_xslt("nginx with XSLT"))
    if arguments.node_modules:
        found.append(servers.node(figures.NODE, arguments.node_modules.resolve()))
    return found


def start(
    profile: Profile, arguments: argparse.Namespace, effort: Effort, folder: pathlib.Path, stack: contextlib.ExitStack
) -> list[Candidate]:
    """Starts the stub and the servers of a profile, and checks their responses."""
    # Started as root, nginx drops its privileges; its workers still need access to the files below.
    folder.chmod(0o755)
    certificates = make_certificates(folder / "certificates") if profile.has_tls else None
    conditions = servers.Conditions(connections=profile.connections, certificates=certificates)
    legacy = stub(arguments.stub.resolve(), folder / "stub", profile.delay_milliseconds, certificates)
    upstream = stack.enter_context(legacy)
    candidates, responses = [], {}
    for number, server in enumerate(available(arguments)):
        if profile.servers and server.name not in profile.servers:
            continue
        own = folder / f"server-{number}"
        own.mkdir()
        running = stack.enter_context(server.running(upstream, own / "0", conditions))
        candidate = Candidate(server, running, upstream, own, conditions)
        try:
            responses[server.name] = check(candidate, profile.lists)
            if shutil.which("wrk"):
                warm_up(candidate, effort)
            candidates.append(candidate)
        except InvalidResponse as error:
            raise SystemExit(f"{server.name} failed the response check: {error}") from error
    report_differences(responses)
    return candidates


def report_differences(responses: dict[str, dict | None]) -> None:
    """Names the servers whose JSON differs from the gateway's: they do not do the same work."""
    own = responses.get(figures.GATEWAY)
    for name, response in responses.items():
        if own and response and response != own:
            kinds = [kind for kind in own if own[kind] != response[kind]]
            print(f"note: {name} returns different JSON from the gateway for {' and '.join(kinds)}")


# --- rounds


def measure(profile: Profile, candidates: list[Candidate], effort: Effort) -> Figures:
    """Runs every scenario against every server, round by round, so that a disturbance affects all of them."""
    found = Figures([candidate.name for candidate in candidates])
    processes = [candidate.running.process for candidate in candidates]
    scenarios = [scenario for scenario in profile.scenarios if shutil.which("wrk") or not scenario.needs_wrk]
    for number in range(effort.rounds):
        # Rotate the order: no server always follows the same one.
        first = number % len(candidates)
        for scenario in scenarios:
            print(f"round {number + 1} of {effort.rounds}: {scenario.title}", flush=True)
            for candidate in candidates[first:] + candidates[:first]:
                try:
                    wait_until_idle(processes)
                    found.add(candidate.name, number, scenario.measure(candidate, effort))
                # OSError: the CPU clock of a server that has exited cannot be read.
                except (InvalidResponse, OSError) as error:
                    print(f"FAILED: {candidate.name}: {error}", flush=True)
                    found.failed = True
    return found


def machine(arguments: argparse.Namespace, rounds: int) -> list[str]:
    """Describes the machine and the versions that the figures depend on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    found = [model, f"{os.cpu_count()} cores", f"Linux {platform.release()}"]
    commands = {"nginx": ["nginx", "-v"], "Envoy": [arguments.envoy, "--version"], "HAProxy": ["haproxy", "-v"]}
    commands |= {"Caddy": [arguments.caddy, "version"], "Node": ["node", "--version"]}
    for name, command in commands.items():
        if command[0] and shutil.which(command[0]):
            output = subprocess.run(command, capture_output=True, text=True, check=False)
            if version := re.search(r"\d+\.\d+\.\d+", output.stdout + output.stderr):
                found.append(f"{name} {version.group()}")
    return [*found, "1 round" if rounds == 1 else f"{rounds} rounds"]


if __name__ == "__main__":
    main()

"""What is asked of a server, and what that costs it: requests by wrk and curl, CPU time and memory from the kernel."""

import http.client
import json
import pathlib
import subprocess
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent
# A list of 1 000 000 orders takes seconds. Whoever needs as long as this will not end.
SECONDS_PER_TRANSFER = 120


class Broken(Exception):
    """A server that does not answer as it should: whatever it takes for that, it is not measured."""


# --- requests


@dataclass
class Load:
    """What wrk saw."""

    requests: int
    seconds: float
    median: float
    p99: float


def load(port: int, path: str, connections: int, seconds: int) -> Load:
    """Asks over and over on that many connections."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "10s"]
    command += ["--script", str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}", "--", path]
    wrk = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if wrk.returncode:
        raise Broken(f"wrk: {wrk.stderr.strip() or wrk.stdout.strip()}")
    seen = json.loads(wrk.stdout.splitlines()[-1])
    if seen["faults"] or not seen["requests"]:
        raise Broken(f"{seen['faults']} faults in {seen['requests']} requests on {connections} connections")
    return Load(seen["requests"], seen["microseconds"] / 1e6, seen["median"] / 1e6, seen["p99"] / 1e6)


@dataclass
class Transfer:
    """One answer as curl saw it."""

    size: int
    first_byte: float
    total: float


def transfer(port: int, path: str, at_once: int = 1) -> list[Transfer]:
    """Fetches an answer, several times at once, and throws it away: curl does that faster than Python could."""
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--max-time", str(SECONDS_PER_TRANSFER)]
    command += ["--write-out", "%{size_download} %{time_starttransfer} %{time_total}", f"http://127.0.0.1:{port}{path}"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(at_once)]
    try:
        return [finished(curl) for curl in running]
    finally:
        for curl in running:
            curl.kill()
            curl.wait()


def finished(curl: subprocess.Popen) -> Transfer:
    output, complaint = curl.communicate(timeout=SECONDS_PER_TRANSFER + 10)
    if curl.returncode:
        raise Broken(complaint.strip())
    size, first_byte, total = output.split()
    return Transfer(int(size), float(first_byte), float(total))


def body(port: int, path: str) -> bytes:
    """A small answer."""
    return b"".join(pieces(port, path))


def size_and_count(port: int, path: str, item: bytes) -> tuple[int, int]:
    """The size of an answer of any length, and how often something stands in it."""
    size, count, end = 0, 0, b""
    for piece in pieces(port, path):
        size += len(piece)
        text = end + piece
        count += text.count(item)
        # Too short to be counted again.
        end = text[-(len(item) - 1):]
    return size, count


def pieces(port: int, path: str):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_PER_TRANSFER)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise Broken(f"{path.partition('?')[0]} was answered {response.status}")
        while piece := response.read(1 << 20):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"{path.partition('?')[0]} was not answered: {error!r}") from error
    finally:
        connection.close()


# --- costs


def workers(process: int) -> list[int]:
    """The processes that do the work: the children of a process that has some, else itself."""
    children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in children] or [process]


def cpu_seconds(process: int) -> float:
    """The CPU time that a server has taken so far, in user space and in the kernel."""
    # The clock of another process, as clock_getcpuclockid(3) makes it. It is the sum of utime and stime in /proc/PID/stat,
    # but in nanoseconds: those are told in hundredths of a second.
    return sum(time.clock_gettime(~worker << 3 | 2) for worker in workers(process))


def wait_until_idle(processes: list[int]) -> None:
    """Waits until servers have nothing to do any more, for some seconds at most."""
    # Requests whose client has left: some servers still work on them, and would take time from the one that is measured next.
    for _ in range(100):
        before = sum(map(cpu_seconds, processes))
        time.sleep(0.1)
        if sum(map(cpu_seconds, processes)) - before < 0.002:
            return
    raise Broken("servers are busy although nobody asks")


def forget_peak_memory(process: int) -> None:
    """Makes the present size the peak."""
    for worker in workers(process):
        pathlib.Path(f"/proc/{worker}/clear_refs").write_text("5")


def peak_memory(process: int) -> int:
    """The greatest resident size in bytes since it was last forgotten."""
    return sum(1024 * int(status_line(worker, "VmHWM:").split()[1]) for worker in workers(process))


def status_line(process: int, name: str) -> str:
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(name))

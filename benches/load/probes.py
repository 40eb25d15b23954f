"""Sends requests with wrk and curl, and reads the CPU time and the memory of a server from the kernel."""

import http.client
import json
import pathlib
import subprocess
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent
# A list of 1 000 000 orders takes seconds; a transfer that takes this long has hung.
TRANSFER_TIMEOUT_SECONDS = 120


class InvalidResponse(Exception):
    """A server failed or returned a wrong response; its measurement is discarded."""


# --- requests


@dataclass
class Load:
    """The result of one wrk run."""

    requests: int
    seconds: float
    median: float
    p99: float


def load(port: int, path: str, connections: int, seconds: int) -> Load:
    """Sends requests in a loop on the given number of connections."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "10s"]
    command += ["--script", str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}", "--", path]
    wrk = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if wrk.returncode:
        raise InvalidResponse(f"wrk: {wrk.stderr.strip() or wrk.stdout.strip()}")
    result = json.loads(wrk.stdout.splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise InvalidResponse(f"{result['errors']} errors in {result['requests']} requests on {connections} connections")
    return Load(result["requests"], result["microseconds"] / 1e6, result["median"] / 1e6, result["p99"] / 1e6)


@dataclass
class Transfer:
    """Size and timing of one response, measured by curl."""

    size: int
    first_byte: float
    total: float


def transfer(port: int, path: str, concurrency: int = 1) -> list[Transfer]:
    """Fetches a path, optionally several times concurrently, and discards the bodies; curl is faster at that than Python."""
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null"]
    command += ["--max-time", str(TRANSFER_TIMEOUT_SECONDS)]
    command += ["--write-out", "%{size_download} %{time_starttransfer} %{time_total}", f"http://127.0.0.1:{port}{path}"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(concurrency)]
    try:
        return [finished(curl) for curl in running]
    finally:
        for curl in running:
            curl.kill()
            curl.wait()


def finished(curl: subprocess.Popen) -> Transfer:
    output, errors = curl.communicate(timeout=TRANSFER_TIMEOUT_SECONDS + 10)
    if curl.returncode:
        raise InvalidResponse(errors.strip())
    size, first_byte, total = output.split()
    return Transfer(int(size), float(first_byte), float(total))


def body(port: int, path: str) -> bytes:
    return b"".join(chunks(port, path))


def size_and_count(port: int, path: str, item: bytes) -> tuple[int, int]:
    """The size of a response of any length, and the number of occurrences of `item` in it."""
    size, count, end = 0, 0, b""
    for chunk in chunks(port, path):
        size += len(chunk)
        text = end + chunk
        count += text.count(item)
        # Too short to hold an occurrence that was counted already.
        end = text[-(len(item) - 1):]
    return size, count


def chunks(port: int, path: str):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TRANSFER_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise InvalidResponse(f"{path.partition('?')[0]} returned status {response.status}")
        while chunk := response.read(1 << 20):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise InvalidResponse(f"{path.partition('?')[0]} failed: {error!r}") from error
    finally:
        connection.close()


# --- CPU and memory


def workers(process: int) -> list[int]:
    """The processes that serve requests: the children of a process, or the process itself if it has none."""
    children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in children] or [process]


def cpu_seconds(process: int) -> float:
    """User and system CPU time of a server since it started."""
    # The CPU clock of another process, computed as clock_getcpuclockid(3) does. It is the sum of utime and stime in
    # /proc/PID/stat, but in nanoseconds instead of hundredths of a second.
    return sum(time.clock_gettime(~worker << 3 | 2) for worker in workers(process))


def wait_until_idle(processes: list[int]) -> None:
    """Waits up to ten seconds for the servers to become idle."""
    # Some servers continue with requests whose client has disconnected, and would take CPU from the next measurement.
    for _ in range(100):
        before = sum(map(cpu_seconds, processes))
        time.sleep(0.1)
        if sum(map(cpu_seconds, processes)) - before < 0.002:
            return
    raise InvalidResponse("a server is busy without requests")


def reset_peak_memory(process: int) -> None:
    """Resets the peak to the current resident size."""
    for worker in workers(process):
        pathlib.Path(f"/proc/{worker}/clear_refs").write_text("5")


def peak_memory(process: int) -> int:
    """Peak resident size in bytes since the last reset."""
    return sum(1024 * int(status_line(worker, "VmHWM:").split()[1]) for worker in workers(process))


def status_line(process: int, name: str) -> str:
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(name))

"""Sends requests with wrk and curl, and checks responses."""

import http.client
import json
import pathlib
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import kernel
from programs import CORES, Running

HERE = pathlib.Path(__file__).parent
# A list of 1 000 000 orders takes seconds; a transfer that takes this long has hung.
TRANSFER_TIMEOUT_SECONDS = 120


class InvalidResponse(Exception):
    """A server failed or returned a wrong response; its measurement is discarded."""


@dataclass
class Load:
    """The result of one wrk run."""

    requests: int
    seconds: float
    median: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def load(server: Running, path: str, connections: int, seconds: int, cores: list[int] = CORES[1:]) -> Load:
    """Sends requests in a loop on the given number of connections."""
    command = ["taskset", "--cpu-list", ",".join(map(str, cores)), "wrk", "--threads", "1", "--timeout", "10s"]
    command += ["--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--script", str(HERE / "wrk.lua"), server.url, "--", path]
    wrk = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if wrk.returncode:
        raise InvalidResponse(f"wrk: {wrk.stderr.strip() or wrk.stdout.strip()}")
    result = json.loads(wrk.stdout.splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise InvalidResponse(f"{result['errors']} errors in {result['requests']} requests on {connections} connections")
    return Load(result["requests"], result["microseconds"] / 1e6, result["median"] / 1e6, result["p99"] / 1e6)


def load_with_cpu(server: Running, path: str, connections: int, seconds: int) -> tuple[Load, float]:
    """The result of wrk, and the CPU time of the server per request."""
    before = kernel.cpu_seconds(server.process)
    result = load(server, path, connections, seconds)
    return result, (kernel.cpu_seconds(server.process) - before) / result.requests


@dataclass
class Transfer:
    """Size and timing of one response, measured by curl."""

    size: int
    first_byte: float
    total: float


def transfer(server: Running, path: str, concurrency: int = 1) -> list[Transfer]:
    """Fetches a path, optionally several times concurrently, and discards the bodies; curl is faster at that than Python."""
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null"]
    command += ["--cacert", str(server.certificates.ca)] if server.certificates else []
    command += ["--max-time", str(TRANSFER_TIMEOUT_SECONDS)]
    command += ["--write-out", "%{size_download} %{time_pretransfer} %{time_starttransfer} %{time_total}", server.url + path]
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
    # Without the time to connect, which with TLS is curl reading its CA file and the handshake.
    size, connected, first_byte, total = map(float, output.split())
    return Transfer(int(size), first_byte - connected, total - connected)


def body(server: Running, path: str) -> bytes:
    return b"".join(chunks(server, path))


def size_and_count(server: Running, path: str, item: bytes) -> tuple[int, int]:
    """The size of a response of any length, and the number of occurrences of `item` in it."""
    size, count, end = 0, 0, b""
    for chunk in chunks(server, path):
        size += len(chunk)
        text = end + chunk
        count += text.count(item)
        # Too short to hold an occurrence that was counted already.
        end = text[-(len(item) - 1):]
    return size, count


def chunks(server: Running, path: str) -> Iterator[bytes]:
    connection = connect(server)
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


def connect(server: Running) -> http.client.HTTPConnection:
    if not server.certificates:
        return http.client.HTTPConnection("127.0.0.1", server.port, timeout=TRANSFER_TIMEOUT_SECONDS)
    trusted = ssl.create_default_context(cafile=str(server.certificates.ca))
    return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=TRANSFER_TIMEOUT_SECONDS, context=trusted)


def wait_until_idle(processes: list[int]) -> None:
    """Waits up to ten seconds for the servers to become idle."""
    # Some servers continue with requests whose client has disconnected, and would take CPU from the next measurement.
    for _ in range(100):
        before = sum(map(kernel.cpu_seconds, processes))
        time.sleep(0.1)
        if sum(map(kernel.cpu_seconds, processes)) - before < 0.002:
            return
    raise InvalidResponse("a server is busy without requests")

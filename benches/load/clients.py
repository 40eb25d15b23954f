"""Clients that are not wrk: many that keep idle connections, and some that change orders at a fixed rate."""

import asyncio
import http.client
import itertools
import json
import select
import statistics
import time

import kernel
import probes
from probes import InvalidResponse
from programs import Running
from scenarios import ORDER_ID, Candidate, Effort

# --- idle clients

IDLE_CLIENTS, ACTIVE_CLIENTS = 2000, 10


def idle_clients(candidate: Candidate, effort: Effort) -> dict[str, float]:
    """Opens idle connections to a new process, and measures what they cost it, and what they cost a few active clients."""
    with candidate.fresh_process() as running:
        probes.load(running, candidate.server.order, ACTIVE_CLIENTS, 1)
        time.sleep(0.5)
        before = kernel.memory(running.process)
        clients = [idle_client(running, candidate.server.order % ORDER_ID) for _ in range(IDLE_CLIENTS)]
        try:
            time.sleep(0.5)
            size = kernel.memory(running.process) - before
            cpu = kernel.cpu_seconds(running.process)
            time.sleep(effort.seconds)
            cpu = kernel.cpu_seconds(running.process) - cpu
            load, cpu_per_request = probes.load_with_cpu(running, candidate.server.order, ACTIVE_CLIENTS, effort.seconds)
            # An idle connection is readable only when the server has closed it.
            if closed := select_readable(clients):
                raise InvalidResponse(f"{closed} of {IDLE_CLIENTS} idle connections were closed")
        finally:
            for client in clients:
                client.close()
    return {
        "idle.memory": size / IDLE_CLIENTS,
        "idle.cpu": cpu / effort.seconds,
        "idle.median": load.median,
        "idle.p99": load.p99,
        "idle.request": cpu_per_request,
    }


def idle_client(server: Running, path: str) -> http.client.HTTPConnection:
    """A connection on which one request was served."""
    client = probes.connect(server)
    client.request("GET", path)
    response = client.getresponse()
    if response.status != 200 or not response.read():
        raise InvalidResponse(f"an order returned status {response.status}")
    return client


def select_readable(clients: list[http.client.HTTPConnection]) -> int:
    poll = select.poll()
    for client in clients:
        # After `Connection: close` the client has no socket any more.
        if client.sock:
            poll.register(client.sock, select.POLLIN)
    return sum(client.sock is None for client in clients) + len(poll.poll(0))


# --- guarded changes

CHANGES_PER_SECOND = 200
# Each order is changed once only, in the whole run, so that all changes cost the same.
ORDER_IDS = itertools.count(1_000_000)
BODY = json.dumps({"status": "received"}).encode()


def guarded_changes(candidate: Candidate, effort: Effort) -> dict[str, float]:
    """Reads the status of an order and changes it with the tag that was read, at a fixed rate."""
    process, port = candidate.running.process, candidate.running.port
    # Only reads have been made before.
    asyncio.run(changes_at_rate(port, CHANGES_PER_SECOND // 2))
    cpu = kernel.cpu_seconds(process)
    latencies = asyncio.run(changes_at_rate(port, effort.seconds * CHANGES_PER_SECOND))
    cpu = kernel.cpu_seconds(process) - cpu
    pairs, changes = ([latency[index] for latency in latencies] for index in (0, 1))
    return {
        "changes.cpu": cpu / len(latencies),
        "changes.pair": statistics.median(pairs),
        "changes.pair99": statistics.quantiles(pairs, n=100)[98],
        "changes.median": statistics.median(changes),
        "changes.p99": statistics.quantiles(changes, n=100)[98],
    }


async def changes_at_rate(port: int, count: int) -> list[tuple[float, float]]:
    """Starts each change when it is due, whether or not those before it have ended."""
    idle: list[Connection] = []
    began = time.monotonic() + 0.1
    try:
        return await asyncio.gather(*(change(port, idle, began + index / CHANGES_PER_SECOND) for index in range(count)))
    finally:
        for connection in idle:
            connection.writer.close()


async def change(port: int, idle: list["Connection"], due: float) -> tuple[float, float]:
    """The time of a read and a change since they were due, and of the change alone."""
    await asyncio.sleep(due - time.monotonic())
    path = f"/orders/{next(ORDER_IDS)}/status"
    connection = idle.pop() if idle else await Connection.open(port)
    before = await connection.request(f"GET {path}")
    began = time.monotonic()
    headers = f"If-Match: {before['etag']}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
    after = await connection.request(f"PATCH {path}", headers, BODY)
    ended = time.monotonic()
    # Earlier builds return no tag.
    if after.get("etag") == before["etag"]:
        raise InvalidResponse("a change left the tag as it was")
    idle.append(connection)
    return ended - due, ended - began


class Connection:
    """A connection for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def request(self, target: str, headers: str = "", body: bytes = b"") -> dict[str, str]:
        """Sends a request and reads its response; returns the headers, with names in lower case."""
        self.writer.write(f"{target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode() + body)
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        response = json.loads(await self.reader.readexactly(int(found["content-length"])))
        if " 200 " not in status or "contested" in response:
            raise InvalidResponse(f"{target.partition(' ')[0]} returned {status}: {response}")
        return found

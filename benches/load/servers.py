"""The servers that are compared: how each is started, asked and stopped."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from probes import HERE

READY_SECONDS = 20
STOP_SECONDS = 5
XSLT_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_http_xslt_filter_module.so")
# The core that the servers run on; load.py keeps everything else off it.
CORE = 0


@dataclass(frozen=True)
class Place:
    """Where a server finds what it needs."""

    port: int
    upstream: str
    folder: pathlib.Path


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    process: int


@dataclass(frozen=True)
class Server:
    """One of those that are compared."""

    name: str
    # Paths with a place for the id and for the date.
    order: str
    orders: str
    # What stands once in every listed order.
    item: bytes
    # Prepares the folder; gives the command and what it adds to the environment.
    launch: Callable[[Place], tuple[list[str], dict[str, str]]]
    # Whether it can hold a list of 1 000 000 orders.
    holds_anything: bool

    @contextlib.contextmanager
    def running(self, upstream: str, folder: pathlib.Path) -> Iterator[Running]:
        """Runs it, on the first core, in a new folder with what it writes."""
        folder.mkdir()
        place = Place(free_port(), upstream, folder)
        command, settings = self.launch(place)
        with program(["taskset", "--cpu-list", str(CORE), *command], settings, folder, place.port) as process:
            yield Running(place.port, process)


def rest_server(name: str, launch, holds_anything: bool) -> Server:
    return Server(name, "/orders/%d", "/orders?since=%s", b'"orderedAt":', launch, holds_anything)


def proxy(name: str, item: bytes, launch, holds_anything: bool) -> Server:
    query = "/?method={}&api_user=1234&{}"
    return Server(name, query.format("order_info", "id=%d"), query.format("orders", "date=%s"), item, launch, holds_anything)


def gateway(name: str, binary: pathlib.Path) -> Server:
    """The gateway with everything switched on that it has."""

    def launch(place: Place):
        return [str(binary), "serve"], {
            "GATEWAY__UPSTREAMS__DEFAULT__URL": f"{place.upstream}/",
            "GATEWAY__UPSTREAMS__DEFAULT__API_USER": "1234",
            "GATEWAY__SERVER__LISTEN": f"127.0.0.1:{place.port}",
            "GATEWAY__SERVER__OPS_LISTEN": f"127.0.0.1:{free_port()}",
            "GATEWAY__SERVER__DRAIN_DELAY": "0s",
            "GATEWAY__LOG__FORMAT": "json",
        }

    return rest_server(name, launch, holds_anything=True)


def node(name: str, modules: pathlib.Path) -> Server:
    """What one would write in Node."""

    def launch(place: Place):
        # Node finds packages beside the file that imports them.
        shutil.copy(HERE / "node.mjs", place.folder)
        (place.folder / "node_modules").symlink_to(modules)
        return ["node", str(place.folder / "node.mjs"), place.upstream, str(place.port)], {"NODE_ENV": "production"}

    return rest_server(name, launch, holds_anything=False)


def hop(name: str) -> Server:
    """nginx that passes everything on, as it does when it is told nothing else: a new connection for each request."""
    return proxy(name, b"<order>", lambda place: nginx(place, "", f"proxy_pass {place.upstream};"), holds_anything=True)


# What has to be said for connections to be kept.
KEPT = 'proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection "";'


def kept(name: str) -> Server:
    """nginx that passes everything on over connections that it keeps: what one more hop costs at least."""
    return proxy(name, b"<order>", lambda place: nginx(place, "", KEPT), holds_anything=True)


def xslt(name: str) -> Server:
    """nginx that translates with a stylesheet."""

    def launch(place: Place):
        shutil.copy(HERE / "orders.xsl", place.folder)
        return nginx(place, f"load_module {XSLT_MODULE};", f"{KEPT} xslt_stylesheet orders.xsl; xslt_string_param id $arg_id;")

    return proxy(name, b'"orderedAt":', launch, holds_anything=False)


def nginx(place: Place, module: str, extras: str):
    text = (HERE / "nginx.conf").read_text()
    values = {"XSLT_MODULE": module, "EXTRAS": extras, "LISTEN": f"127.0.0.1:{place.port}"}
    values["UPSTREAM"] = place.upstream.removeprefix("http://")
    for name, value in values.items():
        text = text.replace(name, value)
    (place.folder / "nginx.conf").write_text(text)
    return ["nginx", "-e", "error.log", "-p", str(place.folder), "-c", "nginx.conf", "-g", "daemon off;"], {}


@contextlib.contextmanager
def stub(binary: pathlib.Path, folder: pathlib.Path) -> Iterator[str]:
    """Runs the order system beside the load and gives its address."""
    folder.mkdir()
    port = free_port()
    with program([str(binary), f"127.0.0.1:{port}"], {}, folder, port):
        yield f"http://127.0.0.1:{port}"


# --- processes


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def program(command: list[str], settings: dict[str, str], folder: pathlib.Path, port: int) -> Iterator[int]:
    """Runs a program from when it listens on the port until it has ended."""
    # The settings of whoever measures are none of its business.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY")}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C is meant for the measurement, which then stops it. As a group it can be stopped with its children.
            start_new_session=True,
        )
    try:
        wait_until_listening(process, port, folder / "output")
        yield process.pid
    finally:
        stop(process)


def wait_until_listening(process: subprocess.Popen, port: int, output: pathlib.Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            end = output.read_text(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(process.args)} does not listen:\n{end}")
        time.sleep(0.05)


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    # Also what it may have left behind.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

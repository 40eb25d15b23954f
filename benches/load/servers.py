"""The servers that are compared: their commands, request paths, start and stop."""

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
# The core of the servers; load.py pins everything else to another one.
CORE = 0


@dataclass(frozen=True)
class Setup:
    """Port, upstream and working folder of one process."""

    port: int
    upstream: str
    folder: pathlib.Path


@dataclass(frozen=True)
class Running:
    """A server process that accepts connections."""

    port: int
    process: int


@dataclass(frozen=True)
class Server:
    """One of the compared servers."""

    name: str
    # Path templates, with a placeholder for the id and for the date.
    order: str
    orders: str
    # Occurs exactly once in every list item.
    item: bytes
    # Prepares the folder; returns the command and additional environment variables.
    launch: Callable[[Setup], tuple[list[str], dict[str, str]]]
    # Whether memory is independent of list length; if not, a list of 1 000 000 orders is not requested.
    streams: bool

    @contextlib.contextmanager
    def running(self, upstream: str, folder: pathlib.Path) -> Iterator[Running]:
        """Runs the server on its core, in a new folder that receives its files."""
        folder.mkdir()
        setup = Setup(free_port(), upstream, folder)
        command, settings = self.launch(setup)
        with program(["taskset", "--cpu-list", str(CORE), *command], settings, folder, setup.port) as process:
            yield Running(setup.port, process)


def rest_server(name: str, launch, streams: bool) -> Server:
    return Server(name, "/orders/%d", "/orders?since=%s", b'"orderedAt":', launch, streams)


def proxy(name: str, item: bytes, launch, streams: bool) -> Server:
    query = "/?method={}&api_user=1234&{}"
    return Server(name, query.format("order_info", "id=%d"), query.format("orders", "date=%s"), item, launch, streams)


def gateway(name: str, binary: pathlib.Path) -> Server:
    """The gateway with its production defaults: JSON log, metrics, limits, request ids."""

    def launch(setup: Setup):
        return [str(binary), "serve"], {
            "GATEWAY__UPSTREAMS__DEFAULT__URL": f"{setup.upstream}/",
            "GATEWAY__UPSTREAMS__DEFAULT__API_USER": "1234",
            "GATEWAY__SERVER__LISTEN": f"127.0.0.1:{setup.port}",
            "GATEWAY__SERVER__OPS_LISTEN": f"127.0.0.1:{free_port()}",
            "GATEWAY__SERVER__DRAIN_DELAY": "0s",
            "GATEWAY__LOG__FORMAT": "json",
        }

    return rest_server(name, launch, streams=True)


def node(name: str, modules: pathlib.Path) -> Server:
    """The same translation in Node, with the usual libraries."""

    def launch(setup: Setup):
        # Node resolves packages relative to the importing file.
        shutil.copy(HERE / "node.mjs", setup.folder)
        (setup.folder / "node_modules").symlink_to(modules)
        return ["node", str(setup.folder / "node.mjs"), setup.upstream, str(setup.port)], {"NODE_ENV": "production"}

    return rest_server(name, launch, streams=False)


# Without these directives nginx 1.22 opens an upstream connection for each request.
KEEP_ALIVE = 'proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection "";'


def hop(name: str) -> Server:
    """nginx as a plain proxy that keeps its upstream connections: the minimum cost of one more hop."""
    return proxy(name, b"<order>", lambda setup: nginx(setup, "", KEEP_ALIVE), streams=True)


def reconnecting(name: str) -> Server:
    """nginx as a plain proxy with its default configuration: a new upstream connection for each request."""
    return proxy(name, b"<order>", lambda setup: nginx(setup, "", f"proxy_pass {setup.upstream};"), streams=True)


def xslt(name: str) -> Server:
    """nginx that translates with an XSLT stylesheet."""

    def launch(setup: Setup):
        shutil.copy(HERE / "orders.xsl", setup.folder)
        translation = "xslt_stylesheet orders.xsl; xslt_string_param id $arg_id;"
        return nginx(setup, f"load_module {XSLT_MODULE};", f"{KEEP_ALIVE} {translation}")

    return proxy(name, b'"orderedAt":', launch, streams=False)


def nginx(setup: Setup, module: str, extras: str):
    text = (HERE / "nginx.conf").read_text()
    values = {"XSLT_MODULE": module, "EXTRAS": extras, "LISTEN": f"127.0.0.1:{setup.port}"}
    values["UPSTREAM"] = setup.upstream.removeprefix("http://")
    for name, value in values.items():
        text = text.replace(name, value)
    (setup.folder / "nginx.conf").write_text(text)
    return ["nginx", "-e", "error.log", "-p", str(setup.folder), "-c", "nginx.conf", "-g", "daemon off;"], {}


@contextlib.contextmanager
def stub(binary: pathlib.Path, folder: pathlib.Path) -> Iterator[str]:
    """Runs the stub of the legacy system and yields its address."""
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
    """Starts a program, waits until it listens on the port, and stops it at the end; yields its process id."""
    # Gateway settings in the caller's environment must not affect the measurement.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY")}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C must reach only this program, which then stops the others. A group can be killed with its children.
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
    # Kill remaining processes of its group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

"""Starts and stops the programs that take part, each on its cores, and makes their certificates."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

READY_SECONDS = 20
STOP_SECONDS = 5
# The servers run on the first core; the stub, the load generator and this program on the second.
CORES = sorted(os.sched_getaffinity(0))[:2]


@dataclass(frozen=True)
class Certificates:
    """PEM files: a CA, and the certificate that it issued to the servers and to the stub."""

    ca: pathlib.Path
    certificate: pathlib.Path
    key: pathlib.Path
    # Certificate and key in one file, as HAProxy reads them.
    both: pathlib.Path


@dataclass(frozen=True)
class Running:
    """A process that accepts connections on the loopback address."""

    port: int
    process: int
    certificates: Certificates | None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.certificates else 'http'}://{self.address}"


@contextlib.contextmanager
def stub(binary: pathlib.Path, folder: pathlib.Path, milliseconds: int, certificates: Certificates | None) -> Iterator[Running]:
    """Runs the stub of the legacy system, which waits for so long before each response."""
    folder.mkdir()
    port = free_port()
    tls = [str(certificates.certificate), str(certificates.key)] if certificates else []
    with program([str(binary), f"127.0.0.1:{port}", str(milliseconds), *tls], {}, folder, port) as process:
        yield Running(port, process, certificates)


def make_certificates(folder: pathlib.Path) -> Certificates:
    """A CA for this run, and a certificate for the loopback address."""
    folder.mkdir()
    # nginx verifies the name of its `upstream` block.
    names = "subjectAltName=DNS:stub,DNS:localhost,IP:127.0.0.1"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    ca = ["-subj", "/CN=Load harness CA", "-keyout", "ca.key", "-out", "ca.pem"]
    leaf = ["-subj", "/CN=stub", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem"]
    leaf += ["-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem"]
    for arguments in (ca, leaf):
        subprocess.run(["openssl", "req", "-x509", *key, *arguments], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())
    # Started as root, nginx and Envoy may read them after they dropped their privileges.
    for file in folder.iterdir():
        file.chmod(0o644)
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key", both)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def program(command: list[str], settings: dict[str, str], folder: pathlib.Path, port: int) -> Iterator[int]:
    """Starts a program, waits until it listens on the port, and stops it at the end; yields its process id."""
    # Gateway settings in the environment of the harness must not affect the measurement.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY")}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            env=inherited | settings,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C must reach only this program, which then stops the others. A group can be killed with its children.
            start_new_session=True,
        )
    try:
        wait_until_listening(process, ' '.join(command), port, folder / "output")
        yield process.pid
    finally:
        stop(process)


def wait_until_listening(process: subprocess.Popen, name: str, port: int, output: pathlib.Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            end = output.read_text(errors="replace")[-2000:]
            raise SystemExit(f"{name} does not listen:\n{end}")
        time.sleep(0.05)


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    # Kill remaining processes of its group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

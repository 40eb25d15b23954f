"""The compared servers: their request paths, start and stop; the gateway, and the programs that translate as it does."""

import contextlib
import pathlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from programs import CORES, Certificates, Running, free_port, program

HERE = pathlib.Path(__file__).parent


@dataclass(frozen=True)
class Conditions:
    """What a server is configured for."""

    # Number of cores that it may use.
    cores: int = 1
    # Open client connections, at most.
    connections: int = 768
    # TLS on both sides, if given.
    certificates: Certificates | None = None


@dataclass(frozen=True)
class Setup:
    """What one process needs to start."""

    port: int
    # Address and URL of the upstream.
    upstream: Running
    folder: pathlib.Path
    conditions: Conditions

    def write(self, template: str, values: dict[str, object]) -> str:
        """Fills in a configuration file, in which a name between two @ stands for a value; returns its path."""
        text = (HERE / template).read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        file = self.folder / template
        file.write_text(text, encoding="utf-8")
        return str(file)


# Command and additional environment variables.
Launch = Callable[[Setup], tuple[list[str], dict[str, str]]]


@dataclass(frozen=True)
class Server:
    """One of the compared servers."""

    name: str
    # Path templates, with a placeholder for the id and for the date.
    order: str
    orders: str
    # Occurs exactly once in every list item.
    item: bytes
    # Prepares the folder, and returns how to start the server.
    launch: Launch
    # Whether memory is independent of list length; if not, a list of 1 000 000 orders is not requested.
    streams: bool

    @contextlib.contextmanager
    def running(self, upstream: Running, folder: pathlib.Path, conditions: Conditions) -> Iterator[Running]:
        """Runs the server on the first cores, in a new folder that receives its files."""
        folder.mkdir()
        setup = Setup(free_port(), upstream, folder, conditions)
        command, settings = self.launch(setup)
        cores = ",".join(map(str, CORES[:conditions.cores]))
        with program(["taskset", "--cpu-list", cores, *command], settings, folder, setup.port) as process:
            yield Running(setup.port, process, conditions.certificates)


def rest_server(name: str, launch: Launch, streams: bool) -> Server:
    return Server(name, "/orders/%d", "/orders?since=%s", b'"orderedAt":', launch, streams)


def gateway(name: str, binary: pathlib.Path) -> Server:
    """The gateway with its production defaults: JSON log, metrics, limits, request ids."""

    def launch(setup: Setup) -> tuple[list[str], dict[str, str]]:
        settings = {
            "UPSTREAMS__DEFAULT__URL": f"{setup.upstream.url}/",
            "UPSTREAMS__DEFAULT__API_USER": "1234",
            "SERVER__LISTEN": f"127.0.0.1:{setup.port}",
            "SERVER__OPS_LISTEN": f"127.0.0.1:{free_port()}",
            "SERVER__DRAIN_DELAY": "0s",
            "LOG__FORMAT": "json",
        }
        if tls := setup.conditions.certificates:
            settings |= {"SERVER__TLS__CERT_FILE": str(tls.certificate), "SERVER__TLS__KEY_FILE": str(tls.key)}
            settings |= {"UPSTREAMS__DEFAULT__CA_FILE": str(tls.ca)}
        # The default suffices for fewer.
        if setup.conditions.connections > 1024:
            settings |= {"SERVER__MAX_CONNECTIONS": str(setup.conditions.connections)}
        return [str(binary), "serve"], {f"GATEWAY__{key}": value for key, value in settings.items()}

    return rest_server(name, launch, streams=True)


def node(name: str, modules: pathlib.Path) -> Server:
    """The same translation in Node, with the usual libraries."""

    def launch(setup: Setup) -> tuple[list[str], dict[str, str]]:
        # Node resolves packages relative to the importing file.
        shutil.copy(HERE / "node.mjs", setup.folder)
        (setup.folder / "node_modules").symlink_to(modules)
        return ["node", str(setup.folder / "node.mjs"), setup.upstream.url, str(setup.port)], {"NODE_ENV": "production"}

    return rest_server(name, launch, streams=False)

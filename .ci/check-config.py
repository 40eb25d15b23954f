"""Starts the gateway with what rendered manifests configure: check-config.py MANIFESTS PROGRAM [exact].

The configuration must name exactly the files that the pod mounts, and the program must accept it together with them;
with `exact`, it must be what .ci/packaging's own values mean. What comes from outside the chart is made up here.
"""

import base64
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import tomllib

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    manifests = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(file) if manifest}
program = sys.argv[2]
root = tempfile.TemporaryDirectory()
pod = manifests["Deployment"]["spec"]["template"]["spec"]
container = pod["containers"][0]
variables = {env["name"]: env["value"] for env in container["env"] if "value" in env}
folder, = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "config"]
sources, = [volume["projected"]["sources"] for volume in pod["volumes"] if volume["name"] == "config"]


def made_up(path):
    """A certificate that is its own authority, its key, the hash of a key, or a word."""
    if path.endswith((".crt", ".key")):
        return pathlib.Path(root.name, "made-up" + path[-4:]).read_bytes()
    return hashlib.sha256(path.encode()).hexdigest().encode() if path.endswith("-key-sha256") else b"not-a-real-secret"


def contents(kind, name, item):
    manifest = manifests.get(kind[0].upper() + kind[1:])
    if not manifest or manifest["metadata"]["name"] != name:
        return made_up(item["path"])
    value = manifest["data"][item["key"]]
    return base64.b64decode(value) if kind == "secret" else value.encode()


subprocess.run(
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=example.com"
    " -addext subjectAltName=DNS:example.com -keyout made-up.key -out made-up.crt".split(),
    cwd=root.name,
    check=True,
    capture_output=True,
)
mounted = {}
for source in sources:
    for kind, part in source.items():
        for item in part["items"]:
            path = f"{folder}/{item['path']}"
            if path in mounted:
                sys.exit(f"{path} is mounted twice")
            mounted[path] = contents(kind, part["name"], item)
for path, content in mounted.items():
    # What is inside refers to the pod's folder, which is another one here.
    file = pathlib.Path(root.name + path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.replace(f'"{folder}/'.encode(), f'"{root.name}{folder}/'.encode()))

config_file = variables["GATEWAY_CONFIG"]
config = tomllib.loads(mounted[config_file].decode())


def names(section):
    for key, value in section.items():
        if isinstance(value, dict):
            yield from names(value)
        elif key.endswith("_file"):
            yield value


named = {config_file, *names(config)}
if named != set(mounted):
    sys.exit(f"named {sorted(named)}\nmounted {sorted(mounted)}")

outside = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
ports = {"GATEWAY__SERVER__LISTEN": "0.0.0.0:0", "GATEWAY__SERVER__OPS_LISTEN": "0.0.0.0:0"}
gateway = subprocess.Popen(
    [program, *container["args"]],
    env=outside | variables | ports | {"GATEWAY_CONFIG": root.name + config_file},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
too_late = threading.Timer(20, gateway.kill)
too_late.start()
told = []
for line in gateway.stdout:
    told.append(line)
    if "listening" in line:
        break
else:
    sys.exit("the program does not start:\n" + "".join(told))
too_late.cancel()
gateway.kill()
gateway.wait()

expected = {
    "server": {
        "listen": "0.0.0.0:8080",
        "ops_listen": "0.0.0.0:8081",
        "secret_file": "/etc/tjansteguiden-gateway/secrets/server-secret",
        "base_path": "/",
        "trusted_proxies": ["10.0.0.0/8"],
        "max_connections": 1024,
        "header_timeout": "10s",
        "body_timeout": "10s",
        "idle_timeout": "75s",
        "write_stall_timeout": "30s",
        "request_timeout": "25s",
        "list_timeout": "300s",
        "drain_delay": "5s",
        "drain_timeout": "25s",
    },
    "auth": {"mode": "none", "allow_unauthenticated": True},
    "log": {"format": "json"},
    "upstreams": {
        "north_1": {
            "url": 'https://orders.example.com/å/"q"\\b/<1>&\'2\'',
            "api_user_file": "/etc/tjansteguiden-gateway/secrets/north_1-api-user",
            "timeout": "12s",
            "max_response_bytes": 67108864,
            "max_item_bytes": 1073741824,
            "allow_http": False,
            "credential_refusal_words": ['a, "b"'],
            "breaker": {"enabled": False},
        }
    },
}
if sys.argv[3:] == ["exact"]:
    if config != expected:
        sys.exit(f"read     {config}\nexpected {expected}")
    secret = {key: base64.b64decode(value) for key, value in manifests["Secret"]["data"].items()}
    if secret != {"north_1-api-user": b"12345678", "server-secret": b's"ecret-of-16-or-so'}:
        sys.exit(f"secret {secret}")

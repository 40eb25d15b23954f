"""Starts the gateway with the configuration in rendered manifests: check-config.py MANIFESTS PROGRAM [exact].

The configuration must refer to exactly the files that the pod mounts, and the gateway must start with them. With `exact`,
it must also equal the configuration expected for the values in .ci/packaging. Files from Secrets and ConfigMaps that the
chart does not manage are replaced by placeholders.
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


def placeholder(path):
    """Returns a self-signed certificate, its private key, the hash of an API key, or a secret."""
    if path.endswith((".crt", ".key")):
        return pathlib.Path(root.name, "placeholder" + path[-4:]).read_bytes()
    return hashlib.sha256(path.encode()).hexdigest().encode() if path.endswith("-key-sha256") else b"not-a-real-secret"


def contents(kind, name, item):
    manifest = manifests.get(kind[0].upper() + kind[1:])
    if not manifest or manifest["metadata"]["name"] != name:
        return placeholder(item["path"])
    value = manifest["data"][item["key"]]
    return base64.b64decode(value) if kind == "secret" else value.encode()


subprocess.run(
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=example.com"
    " -addext subjectAltName=DNS:example.com -keyout placeholder.key -out placeholder.crt".split(),
    cwd=root.name,
    check=True,
    capture_output=True,
)
mounted = {}
for source in sources:
    for kind, projection in source.items():
        for item in projection["items"]:
            path = f"{folder}/{item['path']}"
            if path in mounted:
                sys.exit(f"{path} is mounted twice")
            mounted[path] = contents(kind, projection["name"], item)
for path, content in mounted.items():
    # The contents refer to the pod's mount path; replace it with the local directory.
    file = pathlib.Path(root.name + path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.replace(f'"{folder}/'.encode(), f'"{root.name}{folder}/'.encode()))

config_file = variables["GATEWAY_CONFIG"]
config = tomllib.loads(mounted[config_file].decode())


def referenced_files(section):
    for key, value in section.items():
        if isinstance(value, dict):
            yield from referenced_files(value)
        elif key.endswith("_file"):
            yield value


referenced = {config_file, *referenced_files(config)}
if referenced != set(mounted):
    sys.exit(f"referenced {sorted(referenced)}\nmounted {sorted(mounted)}")

inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
ports = {"GATEWAY__SERVER__LISTEN": "0.0.0.0:0", "GATEWAY__SERVER__OPS_LISTEN": "0.0.0.0:0"}
gateway = subprocess.Popen(
    [program, *container["args"]],
    env=inherited | variables | ports | {"GATEWAY_CONFIG": root.name + config_file},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
start_timeout = threading.Timer(20, gateway.kill)
start_timeout.start()
output = []
for line in gateway.stdout:
    output.append(line)
    if "listening" in line:
        break
else:
    sys.exit("the gateway did not start:\n" + "".join(output))
start_timeout.cancel()
gateway.kill()
gateway.wait()

expected = {
    "server": {
        "listen": "0.0.0.0:8080",
        "ops_listen": "0.0.0.0:8081",
        "secret_file": "/etc/tjansteguiden-gateway/secrets/server-secret",
        "base_path": "/",
        "trusted_proxies": ["10.0.0.0/8"],
        "max_buffered_bytes": 100663296,
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
        sys.exit(f"rendered {config}\nexpected {expected}")
    secret = {key: base64.b64decode(value) for key, value in manifests["Secret"]["data"].items()}
    if secret != {"north_1-api-user": b"12345678", "server-secret": b's"ecret-of-16-or-so'}:
        sys.exit(f"unexpected Secret data: {secret}")

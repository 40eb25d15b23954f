"""Reads config.toml out of rendered manifests: check-config.py MANIFESTS [exact].

It must be TOML that names the files which the pod really mounts; with `exact`, what .ci/packaging's own values mean.
"""

import base64
import sys
import tomllib

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    manifests = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(file) if manifest}

config = tomllib.loads(manifests["ConfigMap"]["data"]["config.toml"])

pod = manifests["Deployment"]["spec"]["template"]["spec"]
folder = pod["containers"][0]["volumeMounts"][0]["mountPath"]
projected, = [volume["projected"] for volume in pod["volumes"]]
mounted = {
    f"{folder}/{item['path']}" for source in projected["sources"] for part in source.values() for item in part["items"]
}
upstreams = config["upstreams"].values()
named = {upstream[key] for upstream in upstreams for key in ("api_user_file", "api_key_file") if key in upstream}
named.add(next(env["value"] for env in pod["containers"][0]["env"] if env["name"] == "GATEWAY_CONFIG"))
if named != mounted:
    sys.exit(f"named {sorted(named)}\nmounted {sorted(mounted)}")

expected = {
    "server": {
        "listen": "0.0.0.0:8080",
        "ops_listen": "0.0.0.0:8081",
        "base_path": "/",
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
        }
    },
}
if sys.argv[2:] == ["exact"]:
    if config != expected:
        sys.exit(f"read     {config}\nexpected {expected}")
    secret = {key: base64.b64decode(value) for key, value in manifests["Secret"]["data"].items()}
    if secret != {"north_1-api-user": b"12345678"}:
        sys.exit(f"secret {secret}")

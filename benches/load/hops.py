"""The proxies in front of the stub, configured as their operators would: connections kept on both sides, and an access log."""

import pathlib
import shutil

from programs import Certificates
from servers import HERE, Server, Setup

XSLT_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_http_xslt_filter_module.so")
# Upstream connections that a proxy keeps: as many as the load has connections.
KEPT = 64


def proxy(name: str, item: bytes, launch, streams: bool) -> Server:
    query = "/?method={}&api_user=1234&{}"
    return Server(name, query.format("order_info", "id=%d"), query.format("orders", "date=%s"), item, launch, streams)


def plain(name: str, launch) -> Server:
    """A proxy that translates nothing."""
    return proxy(name, b"<order>", launch, streams=True)


# --- nginx

# Without the last two directives nginx 1.22 opens an upstream connection for each request.
KEEP_ALIVE = 'proxy_pass {}://stub; proxy_http_version 1.1; proxy_set_header Connection "";'


def nginx(name: str) -> Server:
    """nginx that keeps its upstream connections: the minimum cost of one more hop."""
    return plain(name, lambda setup: nginx_command(setup, "", keep_alive(setup)))


def nginx_tuned(name: str) -> Server:
    """nginx that also writes its log in blocks, and has buffers for responses larger than the usual page.

    With its default of 8 buffers of 4 KiB, nginx writes what its client has not read yet to a file.
    """
    tuned = "access_log access.log combined buffer=64k flush=1s; proxy_buffers 16 64k; proxy_buffer_size 64k;"
    return plain(name, lambda setup: nginx_command(setup, "", f"{keep_alive(setup)} {tuned}"))


def nginx_reconnecting(name: str) -> Server:
    """nginx with its default configuration: a new upstream connection for each request."""
    return plain(name, lambda setup: nginx_command(setup, "", f"proxy_pass {setup.upstream.url};"))


def nginx_xslt(name: str) -> Server:
    """nginx that translates with an XSLT stylesheet."""

    def launch(setup: Setup) -> tuple[list[str], dict[str, str]]:
        shutil.copy(HERE / "orders.xsl", setup.folder)
        translation = "xslt_stylesheet orders.xsl; xslt_string_param id $arg_id;"
        return nginx_command(setup, f"load_module {XSLT_MODULE};", f"{keep_alive(setup)} {translation}")

    return proxy(name, b'"orderedAt":', launch, streams=False)


def keep_alive(setup: Setup) -> str:
    return KEEP_ALIVE.format("https" if setup.upstream.certificates else "http")


def nginx_command(setup: Setup, module: str, extras: str) -> tuple[list[str], dict[str, str]]:
    tls = setup.conditions.certificates
    values = {
        "XSLT_MODULE": module,
        "WORKERS": setup.conditions.cores,
        "CONNECTIONS": setup.conditions.connections,
        "UPSTREAM": setup.upstream.address,
        "KEPT": KEPT,
        "LISTEN": f"127.0.0.1:{setup.port}{' ssl' if tls else ''}",
        "TLS": nginx_tls(tls) if tls else "",
        "EXTRAS": extras,
    }
    file = setup.write("nginx.conf", values)
    return ["nginx", "-e", "error.log", "-p", str(setup.folder), "-c", file, "-g", "daemon off;"], {}


def nginx_tls(tls: Certificates) -> str:
    return (
        f"ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key}; ssl_session_cache shared:tls:10m;\n"
        f"        proxy_ssl_verify on; proxy_ssl_trusted_certificate {tls.ca}; proxy_ssl_protocols TLSv1.2 TLSv1.3;"
    )


# --- others


def envoy(name: str, binary: pathlib.Path) -> Server:
    def launch(setup: Setup) -> tuple[list[str], dict[str, str]]:
        tls = setup.conditions.certificates
        values = {
            "PORT": setup.port,
            "UPSTREAM_PORT": setup.upstream.port,
            "SERVER_TLS": envoy_tls("Downstream", server_tls(tls)) if tls else "",
            "CLIENT_TLS": envoy_tls("Upstream", client_tls(tls)) if tls else "",
        }
        command = [str(binary), "--config-path", setup.write("envoy.yaml", values), "--disable-hot-restart"]
        return [*command, "--concurrency", str(setup.conditions.cores), "--log-level", "warning"], {}

    def server_tls(tls: Certificates) -> str:
        files = f"certificate_chain: {{filename: {tls.certificate}}}, private_key: {{filename: {tls.key}}}"
        return f"tls_certificates: [{{{files}}}]"

    def client_tls(tls: Certificates) -> str:
        return f"validation_context: {{trusted_ca: {{filename: {tls.ca}}}}}"

    def envoy_tls(side: str, context: str) -> str:
        kind = f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{side}TlsContext"
        return f"transport_socket: {{name: tls, typed_config: {{'@type': {kind}, common_tls_context: {{{context}}}}}}}"

    return plain(name, launch)


def haproxy(name: str) -> Server:
    def launch(setup: Setup) -> tuple[list[str], dict[str, str]]:
        tls = setup.conditions.certificates
        values = {
            "THREADS": setup.conditions.cores,
            "CONNECTIONS": setup.conditions.connections,
            "LISTEN": f"127.0.0.1:{setup.port}" + (f" ssl crt {tls.both}" if tls else ""),
            "UPSTREAM": setup.upstream.address + (f" ssl verify required ca-file {tls.ca}" if tls else ""),
        }
        # In the foreground and without a master process.
        return ["haproxy", "-db", "-f", setup.write("haproxy.cfg", values)], {}

    return plain(name, launch)


def caddy(name: str, binary: pathlib.Path) -> Server:
    def launch(setup: Setup) -> tuple[list[str], dict[str, str]]:
        tls = setup.conditions.certificates
        values = {
            "SITE": f"{'https' if tls else 'http'}://127.0.0.1:{setup.port}",
            "UPSTREAM": setup.upstream.url,
            "KEPT": KEPT,
            "SERVER_TLS": f"tls {tls.certificate} {tls.key}" if tls else "",
            "CLIENT_TLS": f"tls_trust_pool file {tls.ca}" if tls else "",
        }
        folders = {variable: str(setup.folder) for variable in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        command = [str(binary), "run", "--adapter", "caddyfile", "--config", setup.write("Caddyfile", values)]
        return command, folders | {"GOMAXPROCS": str(setup.conditions.cores)}

    return plain(name, launch)

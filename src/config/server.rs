//! Section `server`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use rustls::ServerConfig;
use url::Url;

use super::error::InvalidValue;
use super::settings::{Settings, any_duration, duration, parsed, size, whole};
use super::{Loaded, Secret, tls};

/// The gateway's sockets and timeouts.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address of the API. Default `127.0.0.1:8080`; `GATEWAY__SERVER__LISTEN`.
    pub listen: SocketAddr,
    /// Address of the operations port: probes and metrics. Default `127.0.0.1:8081`; `GATEWAY__SERVER__OPS_LISTEN`.
    pub ops_listen: SocketAddr,
    /// Prefix of all routes, without a slash at its end. Default `/`; `GATEWAY__SERVER__BASE_PATH`.
    pub base_path: String,
    /// Serves the API over TLS 1.2 or 1.3; without it the API is plain HTTP, as the operations port always is.
    /// `GATEWAY__SERVER__TLS__CERT_FILE` (PEM, with intermediates) and `GATEWAY__SERVER__TLS__KEY_FILE` (PEM, unencrypted),
    /// both or neither. With `GATEWAY__SERVER__TLS__CLIENT_CA_FILE`, clients must present a certificate of these CAs. The
    /// files are reloaded on change, for new connections.
    pub tls: Option<Loaded<ServerConfig>>,
    /// Timeout of requests other than lists. Default 25s; `GATEWAY__SERVER__REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// Timeout of a whole list. Default 300s; `GATEWAY__SERVER__LIST_TIMEOUT`.
    pub list_timeout: Duration,
    /// Delay between SIGTERM and closing the listener, in which load balancers notice that the gateway is not ready. Default
    /// 5s; `GATEWAY__SERVER__DRAIN_DELAY`.
    pub drain_delay: Duration,
    /// Time for requests to complete after that; at least `request_timeout`. Default 25s; `GATEWAY__SERVER__DRAIN_TIMEOUT`.
    pub drain_timeout: Duration,
    /// Request-header read timeout, from the opening of a connection or the first byte of a later head to the end of the
    /// head. Default 10s; `GATEWAY__SERVER__HEADER_TIMEOUT`.
    pub header_timeout: Duration,
    /// Keep-alive timeout between requests; set the ingress's upstream keep-alive lower. Default 75s;
    /// `GATEWAY__SERVER__IDLE_TIMEOUT`.
    pub idle_timeout: Duration,
    /// Response write timeout for a client that reads nothing. Default 30s; `GATEWAY__SERVER__WRITE_STALL_TIMEOUT`.
    pub write_stall_timeout: Duration,
    /// Allowed CORS origins, exactly as in the `Origin` header, such as `https://intranet.example`. Default: none;
    /// `GATEWAY__SERVER__CORS_ORIGINS`.
    pub cors_origins: Vec<HeaderValue>,
    /// Trusted proxies for `X-Forwarded-For`, as addresses or networks such as `10.0.0.0/8`. Default: none;
    /// `GATEWAY__SERVER__TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// Rate limit per client address in requests per second, which is the burst size too. Off by default;
    /// `GATEWAY__SERVER__RATE_PER_CLIENT`.
    pub rate_per_client: Option<NonZeroU32>,
    /// Request-body read timeout. Default 10s; `GATEWAY__SERVER__BODY_TIMEOUT`.
    pub body_timeout: Duration,
    /// HMAC key for idempotency markers, at least 16 characters and identical on all replicas. Default: derived from the
    /// upstream's URL and user; `GATEWAY__SERVER__SECRET` or `…_SECRET_FILE`.
    pub secret: Option<Secret>,
    /// The previous `secret` while it is rotated: its markers are still recognised. Default: the one derived without a
    /// secret; `GATEWAY__SERVER__PREVIOUS_SECRET` or `…_PREVIOUS_SECRET_FILE`.
    pub previous_secret: Option<Secret>,
    /// Maximum number of concurrent connections; for a further one the longest idle one is closed. Default 1024;
    /// `GATEWAY__SERVER__MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// Maximum size of all answers of upstreams and all bodies that are held in memory at once. An eighth of it is reserved for
    /// writes. Default 100663296; `GATEWAY__SERVER__MAX_BUFFERED_BYTES`.
    pub max_buffered_bytes: u64,
}

/// The addresses of section `server` alone.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// See [`Server::listen`].
    pub listen: SocketAddr,
    /// See [`Server::ops_listen`].
    pub ops_listen: SocketAddr,
}

/// In characters.
pub(super) const MIN_SECRET_LENGTH: usize = 16;
/// Requests per second.
const MAX_RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999_999);

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            ops_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            base_path: "/".to_owned(),
            tls: None,
            request_timeout: Duration::from_secs(25),
            list_timeout: Duration::from_mins(5),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(25),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(30),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            rate_per_client: None,
            body_timeout: Duration::from_secs(10),
            secret: None,
            previous_secret: None,
            max_connections: 1024,
            max_buffered_bytes: 96 * 1024 * 1024,
        }
    }
}

impl Addresses {
    pub(super) fn read(settings: &mut Settings) -> Self {
        let default = Server::default();
        let address = || parsed("an IP address and a port, such as 127.0.0.1:8080");
        Self {
            listen: settings.or_default("server.listen", default.listen, address()),
            ops_listen: settings.or_default("server.ops_listen", default.ops_listen, address()),
        }
    }
}

impl Server {
    pub(super) fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let Addresses { listen, ops_listen } = Addresses::read(settings);
        let has_secret = settings.is_pending("server.secret") || settings.is_pending("server.secret_file");
        let server = Self {
            listen,
            ops_listen,
            base_path: settings.or_default("server.base_path", default.base_path, base_path),
            tls: tls::server(settings),
            request_timeout: settings.or_default("server.request_timeout", default.request_timeout, duration),
            list_timeout: settings.or_default("server.list_timeout", default.list_timeout, duration),
            drain_delay: settings.or_default("server.drain_delay", default.drain_delay, any_duration),
            drain_timeout: settings.or_default("server.drain_timeout", default.drain_timeout, duration),
            header_timeout: settings.or_default("server.header_timeout", default.header_timeout, duration),
            idle_timeout: settings.or_default("server.idle_timeout", default.idle_timeout, duration),
            write_stall_timeout: settings.or_default("server.write_stall_timeout", default.write_stall_timeout, duration),
            cors_origins: settings.list_of("server.cors_origins", origin),
            trusted_proxies: settings.list_of("server.trusted_proxies", network),
            rate_per_client: settings.optional("server.rate_per_client", rate),
            body_timeout: settings.or_default("server.body_timeout", default.body_timeout, duration),
            secret: settings.optional_secret("server.secret", MIN_SECRET_LENGTH),
            previous_secret: settings.optional_secret("server.previous_secret", MIN_SECRET_LENGTH),
            max_connections: settings.or_default("server.max_connections", default.max_connections, whole(1..=1_000_000)),
            max_buffered_bytes: settings.or_default("server.max_buffered_bytes", default.max_buffered_bytes, size),
        };
        if server.previous_secret.is_some() && !has_secret {
            let reason = "needs server.secret, which replaces it";
            settings.report("server.previous_secret", InvalidValue::Conflict(reason.into()));
        }
        if server.drain_timeout < server.request_timeout {
            let reason = "must not be shorter than server.request_timeout: a shutdown would abort requests";
            settings.report("server.drain_timeout", InvalidValue::Conflict(reason.into()));
        }
        server
    }
}

/// Parses an origin in its ASCII serialization (RFC 6454, section 6.2), as browsers send it: origins are compared as text, so
/// no other form would ever match.
fn origin(text: &str) -> Result<HeaderValue, InvalidValue> {
    let is_serialized = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text);
    let value = HeaderValue::from_str(text).ok().filter(|_| is_serialized);
    value.ok_or(InvalidValue::expected(
        "origins such as https://intranet.example: lower-case, without a path, a trailing slash or the default port; not * \
         or null",
    ))
}

pub(super) fn network(text: &str) -> Result<IpNet, InvalidValue> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    network.ok_or(InvalidValue::expected("addresses or networks such as 10.0.0.0/8"))
}

/// Parses a rate in requests per second.
pub(super) fn rate(text: &str) -> Result<NonZeroU32, InvalidValue> {
    whole(NonZeroU32::MIN..=MAX_RATE)(text)
}

fn base_path(text: &str) -> Result<String, InvalidValue> {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
    };
    let is_valid = text == "/" || text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
    is_valid.then(|| text.to_owned()).ok_or(InvalidValue::expected(
        "/ or a path such as /api/tjansteguiden, of letters, digits and -._~, without a trailing slash",
    ))
}

//! Section `server`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use rustls::ServerConfig;
use url::Url;

use super::settings::{ConfigError, Settings, any_duration, duration, parsed, whole};
use super::{Loaded, Secret, tls};

/// The gateway's own sockets and times.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where API clients connect. Default `127.0.0.1:8080`; `GATEWAY__SERVER__LISTEN`.
    pub listen: SocketAddr,
    /// Where probes connect. Default `127.0.0.1:8081`; `GATEWAY__SERVER__OPS_LISTEN`.
    pub ops_listen: SocketAddr,
    /// The path below which all routes are, without a slash at its end. Default `/`; `GATEWAY__SERVER__BASE_PATH`.
    pub base_path: String,
    /// The certificate that the API is served with, over TLS 1.2 or 1.3; without it the API is plain http, and the probes
    /// always are. `GATEWAY__SERVER__TLS__CERT_FILE` (PEM, with what leads to its authority) and
    /// `GATEWAY__SERVER__TLS__KEY_FILE` (PEM, without a passphrase), both or neither; with
    /// `GATEWAY__SERVER__TLS__CLIENT_CA_FILE` only clients are served that show a certificate of these authorities. All of
    /// them are read anew when they change, for connections from then on.
    pub tls: Option<Loaded<ServerConfig>>,
    /// How long a request may take that is no list. Default 25s; `GATEWAY__SERVER__REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// How long a whole list may take. Default 300s; `GATEWAY__SERVER__LIST_TIMEOUT`.
    pub list_timeout: Duration,
    /// How long requests are still taken after the signal to stop, so that others stop sending them. Default 5s;
    /// `GATEWAY__SERVER__DRAIN_DELAY`.
    pub drain_delay: Duration,
    /// How long requests may take to end after that; at least `request_timeout`. Default 25s;
    /// `GATEWAY__SERVER__DRAIN_TIMEOUT`.
    pub drain_timeout: Duration,
    /// How long a client may take to send the head of a request, from the opening of a connection or the first byte of a later
    /// head to its end. Default 10s; `GATEWAY__SERVER__HEADER_TIMEOUT`.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests; longer than an ingress keeps its own. Default 75s;
    /// `GATEWAY__SERVER__IDLE_TIMEOUT`.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of a response. Default 30s; `GATEWAY__SERVER__WRITE_STALL_TIMEOUT`.
    pub write_stall_timeout: Duration,
    /// Pages of these origins may read the API in browsers, such as `https://intranet.example`; exactly these, none by default;
    /// `GATEWAY__SERVER__CORS_ORIGINS`.
    pub cors_origins: Vec<HeaderValue>,
    /// Proxies in front of the gateway, as addresses or networks such as `10.0.0.0/8`: what these say in `X-Forwarded-For` about
    /// where a request comes from is believed. None by default; `GATEWAY__SERVER__TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpNet>,
    /// How many requests a second each client address may make; as many may come at once. Off by default;
    /// `GATEWAY__SERVER__RATE_PER_CLIENT`.
    pub rate_per_client: Option<NonZeroU32>,
    /// How long a client may take to send the body of a request. Default 10s; `GATEWAY__SERVER__BODY_TIMEOUT`.
    pub body_timeout: Duration,
    /// What the marks of messages with an idempotency key are made with, at least 16 characters; the same for all replicas.
    /// Default: made of the upstream's address and user; `GATEWAY__SERVER__SECRET` or `…_SECRET_FILE`.
    pub secret: Option<Secret>,
    /// The one before it, while replicas change from one to the other: its marks are still known. Default: the one that is
    /// used without any; `GATEWAY__SERVER__PREVIOUS_SECRET` or `…_PREVIOUS_SECRET_FILE`.
    pub previous_secret: Option<Secret>,
    /// How many connections are served at once; others wait to be accepted. Default 1024;
    /// `GATEWAY__SERVER__MAX_CONNECTIONS`.
    pub max_connections: usize,
}

/// The shortest secret, in characters.
const MIN_SECRET: usize = 16;

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
        }
    }
}

impl Server {
    pub(super) fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let address = || parsed("an IP address and a port, such as 127.0.0.1:8080");
        let has_secret = settings.is_pending("server.secret") || settings.is_pending("server.secret_file");
        let server = Self {
            listen: settings.or_default("server.listen", default.listen, address()),
            ops_listen: settings.or_default("server.ops_listen", default.ops_listen, address()),
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
            secret: settings.optional_secret("server.secret", MIN_SECRET),
            previous_secret: settings.optional_secret("server.previous_secret", MIN_SECRET),
            max_connections: settings.or_default("server.max_connections", default.max_connections, whole(1..=1_000_000)),
        };
        if server.previous_secret.is_some() && !has_secret {
            settings.fault("server.previous_secret", "needs server.secret, the one after it");
        }
        if server.drain_timeout < server.request_timeout {
            settings.fault(
                "server.drain_timeout",
                "must not be shorter than server.request_timeout, or a stop breaks off requests",
            );
        }
        server
    }
}

/// Reads an origin as browsers write it (RFC 6454, section 6.2): nothing else would ever be equal to it.
fn origin(text: &str) -> Result<HeaderValue, ConfigError> {
    let is_exact = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text);
    let value = HeaderValue::from_str(text).ok().filter(|_| is_exact);
    value.ok_or_else(|| "must be origins such as https://intranet.example: lower-case, without a path, a slash at the end or the scheme's own port; never * or null".to_owned())
}

fn network(text: &str) -> Result<IpNet, ConfigError> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    network.ok_or_else(|| "must be addresses or networks such as 10.0.0.0/8".to_owned())
}

/// Reads a number of requests a second.
pub(super) fn rate(text: &str) -> Result<NonZeroU32, ConfigError> {
    let number = whole(1..=1_000_000)(text)?;
    NonZeroU32::new(number).ok_or_else(String::new)
}

fn base_path(text: &str) -> Result<String, ConfigError> {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
    };
    let fits = text == "/" || text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
    fits.then(|| text.to_owned()).ok_or_else(|| {
        "must be / or a path such as /api/tjansteguiden, of letters, digits and -._~, without a slash at its end".to_owned()
    })
}

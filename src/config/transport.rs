//! The keys by which any server is called, whatever its protocol.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use url::{Host, Url};

use super::error::InvalidValue;
use super::settings::{Settings, boolean, duration, parsed, size, whole};
use super::{Loaded, tls};
use crate::resilience::BreakerSettings;

/// How a server is called. The fields are described where they are settings.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) max_in_flight: usize,
    pub(super) breaker: BreakerSettings,
    pub(super) max_response_bytes: u64,
    pub(super) max_item_bytes: u64,
    pub(super) allow_http: bool,
    pub(super) tls: Option<Loaded<ClientConfig>>,
    pub(super) proxy: Option<Uri>,
    pub(super) local_address: Option<IpAddr>,
}

/// A request line has at most 8 000 bytes, and most of it must be left for the query.
const MAX_URL_LENGTH: usize = 2_000;

impl Default for Transport {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            max_in_flight: 64,
            breaker: BreakerSettings::default(),
            max_response_bytes: 8 * 1024 * 1024,
            max_item_bytes: 256 * 1024,
            allow_http: false,
            tls: None,
            proxy: None,
            local_address: None,
        }
    }
}

impl Transport {
    /// The keys of a section whose server is at this URL.
    pub(super) fn read(settings: &mut Settings, section: &str, url: Option<&Url>) -> Self {
        let key = |field: &str| format!("{section}.{field}");
        let default = Self::default();
        let transport = Self {
            connect_timeout: settings.or_default(&key("connect_timeout"), default.connect_timeout, duration),
            timeout: settings.or_default(&key("timeout"), default.timeout, duration),
            max_in_flight: settings.or_default(&key("max_in_flight"), default.max_in_flight, whole(1..=100_000)),
            breaker: breaker(settings, &key("breaker")),
            max_response_bytes: settings.or_default(&key("max_response_bytes"), default.max_response_bytes, size),
            max_item_bytes: settings.or_default(&key("max_item_bytes"), default.max_item_bytes, size),
            allow_http: settings.or_default(&key("allow_http"), default.allow_http, boolean),
            tls: tls::client(settings, section, url),
            proxy: settings.optional(&key("proxy"), proxy),
            local_address: settings.optional(&key("local_address"), local_address),
        };
        if let Some(url) = url
            && url.scheme() == "http"
            && !transport.allow_http
            && transport.leaves_the_machine(url)
        {
            let reason = format!("is plain http to another machine: use https, or set {} = true", key("allow_http"));
            settings.report(&key("url"), InvalidValue::Conflict(reason.into()));
        }
        transport
    }

    fn leaves_the_machine(&self, url: &Url) -> bool {
        !is_loopback(url) || self.proxy.as_ref().is_some_and(|proxy| !is_loopback_proxy(proxy))
    }
}

fn breaker(settings: &mut Settings, section: &str) -> BreakerSettings {
    let default = BreakerSettings::default();
    let key = |name: &str| format!("{section}.{name}");
    BreakerSettings {
        enabled: settings.or_default(&key("enabled"), default.enabled, boolean),
        min_calls: settings.or_default(&key("min_calls"), default.min_calls, whole(1..=1_000_000)),
        failure_percent: settings.or_default(&key("failure_percent"), default.failure_percent, whole(1..=100)),
        max_open: settings.or_default(&key("max_open"), default.max_open, duration),
    }
}

/// Parses the URL of a server that is called.
pub(super) fn url(text: &str) -> Result<Url, InvalidValue> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or(InvalidValue::expected("a URL that begins with https://"))?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidValue::expected("a URL without a user, a query and a fragment"));
    }
    if url.as_str().len() > MAX_URL_LENGTH {
        return Err(InvalidValue::Expected(format!("at most {MAX_URL_LENGTH} characters long").into()));
    }
    Ok(url)
}

/// Parses the URL of an HTTP proxy.
pub(super) fn proxy(text: &str) -> Result<Uri, InvalidValue> {
    let url = Url::parse(text.trim()).ok().filter(|url| {
        let has_more = url.query().is_some() || url.fragment().is_some() || url.path() != "/";
        let has_user = !url.username().is_empty() || url.password().is_some();
        url.scheme() == "http" && url.has_host() && !has_more && !has_user
    });
    let uri = url.and_then(|url| url.as_str().parse().ok());
    uri.ok_or(InvalidValue::expected("a URL such as http://proxy.example:3128, without a user and a path"))
}

fn local_address(text: &str) -> Result<IpAddr, InvalidValue> {
    let address: IpAddr = parsed("an IP address of this machine")(text)?;
    if address.is_unspecified() { Err(InvalidValue::expected("one address, not all of them")) } else { Ok(address) }
}

/// Whether a URL is of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(super) fn is_loopback_proxy(proxy: &Uri) -> bool {
    Url::parse(&proxy.to_string()).is_ok_and(|url| is_loopback(&url))
}

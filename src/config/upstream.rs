//! Sections `upstreams.<name>`.

use std::net::IpAddr;
use std::time::Duration;

use clap::ValueEnum;
use http::Uri;
use rustls::ClientConfig;
use url::{Host, Url};

use super::settings::{ConfigError, Settings, boolean, duration, parsed, size, whole};
use super::{Loaded, Secret, tls};
use crate::charset::Charset;
use crate::model::Zone;
use crate::resilience::BreakerSettings;

/// One order system. The variables are those of the upstream `default`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it is. Required; `GATEWAY__UPSTREAMS__DEFAULT__URL`.
    pub url: Url,
    /// Which of the two forms of the protocol it speaks. Default `network`; `GATEWAY__UPSTREAMS__DEFAULT__DIALECT`.
    pub dialect: Dialect,
    /// The user that it knows the gateway by, together with the gateway's IP address. Required;
    /// `GATEWAY__UPSTREAMS__DEFAULT__API_USER` or `…_API_USER_FILE`.
    pub api_user: Secret,
    /// The key for the login of the dialect `provider`, and required there; `GATEWAY__UPSTREAMS__DEFAULT__API_KEY` or
    /// `…_API_KEY_FILE`.
    pub api_key: Option<Secret>,
    /// The character set of requests, and of answers that do not tell theirs. Default `utf-8`;
    /// `GATEWAY__UPSTREAMS__DEFAULT__CHARSET`.
    pub charset: Charset,
    /// The zone of its times. Default `Europe/Stockholm`; `GATEWAY__UPSTREAMS__DEFAULT__TIME_ZONE`.
    pub time_zone: Zone,
    /// How long connecting may take; half of `timeout` at most. Default 2s; `GATEWAY__UPSTREAMS__DEFAULT__CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
    /// How long an answer may take; for lists, the first item and every silence after it. Default 10s;
    /// `GATEWAY__UPSTREAMS__DEFAULT__TIMEOUT`.
    pub timeout: Duration,
    /// How long a write may be on its way there: what clients are told to wait when an outcome is unknown. Default 35s;
    /// `GATEWAY__UPSTREAMS__DEFAULT__SETTLE_TIME`.
    pub settle_time: Duration,
    /// How many calls it may be working at; a quarter of them, rounded down, is closed to reads, and lists get half of the rest. Default 64;
    /// `GATEWAY__UPSTREAMS__DEFAULT__MAX_IN_FLIGHT`.
    pub max_in_flight: usize,
    /// When it is no longer asked because it does not answer. `GATEWAY__UPSTREAMS__DEFAULT__BREAKER__ENABLED`, default true;
    /// `…__MIN_CALLS`, 20, that must have ended within ten seconds; `…__FAILURE_PERCENT`, 80, of them that must have failed;
    /// `…__MAX_OPEN`, 5s, for which it is not asked at the most.
    pub breaker: BreakerSettings,
    /// The greatest size of an answer that is no list. Default 67108864; `GATEWAY__UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES`.
    pub max_response_bytes: u64,
    /// The greatest size of an item of a list. Default 262144; `GATEWAY__UPSTREAMS__DEFAULT__MAX_ITEM_BYTES`.
    pub max_item_bytes: u64,
    /// Whether it may be reached over plain http although it is on another machine. Default false;
    /// `GATEWAY__UPSTREAMS__DEFAULT__ALLOW_HTTP`.
    pub allow_http: bool,
    /// How it is made sure that it is the right one, when not by the authorities of this machine and TLS 1.2 or 1.3:
    /// `GATEWAY__UPSTREAMS__DEFAULT__CA_FILE` (PEM) has the only authorities that are trusted, `…__CLIENT_CERT_FILE` and
    /// `…__CLIENT_KEY_FILE` (PEM), both or neither, what the gateway shows when it is asked to, `…__MIN_TLS_VERSION` the
    /// oldest version that is spoken, `1.2` or `1.3`. Files are read anew when they change, for connections from then on.
    pub tls: Option<Loaded<ClientConfig>>,
    /// The http proxy that it is reached through: with CONNECT where it is https; where it is plain http, the proxy's own
    /// answers count as the order system's. Default: none, whatever the environment says;
    /// `GATEWAY__UPSTREAMS__DEFAULT__PROXY`.
    pub proxy: Option<Uri>,
    /// The address of this machine that connections are made from, because it is part of the credential. Default: the
    /// system's choice; `GATEWAY__UPSTREAMS__DEFAULT__LOCAL_ADDRESS`.
    pub local_address: Option<IpAddr>,
    /// Texts by which a refusal is known to be about the gateway's credential or IP address, in any case, besides a short
    /// list in Swedish and English; `GATEWAY__UPSTREAMS__DEFAULT__CREDENTIAL_REFUSAL_WORDS`.
    pub credential_refusal_words: Vec<String>,
}

/// The two forms of the legacy protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Dialect {
    /// For network operators: every call names the user, and the source address is the proof.
    #[default]
    Network,
    /// For service providers: a login with a key gives a hash that is good for 20 minutes.
    Provider,
}

const CREDENTIAL_REFUSAL_WORDS: [&str; 10] = [
    "access denied",
    "permission denied",
    "not authorized",
    "unauthorized",
    "invalid api_user",
    "invalid hash",
    "felaktig api_user",
    "åtkomst nekad",
    "ej behörig",
    "saknar behörighet",
];

/// The longest address: requests must fit into a line of 8 000 bytes together with it.
const MAX_URL: usize = 2_000;

impl Upstream {
    /// An order system of which only the address and the user are special.
    #[must_use]
    pub fn new(url: Url, api_user: Secret) -> Self {
        Self {
            url,
            dialect: Dialect::default(),
            api_user,
            api_key: None,
            charset: Charset::UTF_8,
            time_zone: Zone::stockholm(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            settle_time: Duration::from_secs(35),
            max_in_flight: 64,
            breaker: BreakerSettings::default(),
            max_response_bytes: 67_108_864,
            max_item_bytes: 262_144,
            allow_http: false,
            tls: None,
            proxy: None,
            local_address: None,
            credential_refusal_words: CREDENTIAL_REFUSAL_WORDS.map(str::to_owned).to_vec(),
        }
    }

    pub(super) fn read(settings: &mut Settings, name: &str) -> Option<Self> {
        let key = |name_of_field: &str| format!("upstreams.{name}.{name_of_field}");
        let url = settings.required(&key("url"), "the address of the order system", url);
        let api_user = settings.secret(&key("api_user"), "the user that the order system knows the gateway by", 1);
        let allow_http = settings.or_default(&key("allow_http"), false, boolean);
        // The other fields are read although these are missing, so that all faults are told at once.
        let placeholder = Url::parse("https://placeholder.invalid/").ok()?;
        let is_complete = url.is_some() && api_user.is_some();
        let default = Self::new(url.unwrap_or(placeholder), api_user.unwrap_or_else(|| Secret::from("")));
        let dialect = settings.or_default(&key("dialect"), default.dialect, dialect);
        let api_key = (dialect == Dialect::Provider)
            .then(|| settings.secret(&key("api_key"), "the key that the dialect provider logs in with", 1))
            .flatten();
        let is_complete = is_complete && (dialect == Dialect::Network || api_key.is_some());
        let mut words = settings.list(&key("credential_refusal_words"), &[]);
        words.extend(CREDENTIAL_REFUSAL_WORDS.map(str::to_owned));
        let upstream = Self {
            dialect,
            api_key,
            charset: settings.or_default(&key("charset"), default.charset, charset),
            time_zone: settings.or_default(&key("time_zone"), default.time_zone, zone),
            connect_timeout: settings.or_default(&key("connect_timeout"), default.connect_timeout, duration),
            timeout: settings.or_default(&key("timeout"), default.timeout, duration),
            settle_time: settings.or_default(&key("settle_time"), default.settle_time, duration),
            max_in_flight: settings.or_default(&key("max_in_flight"), default.max_in_flight, whole(1..=100_000)),
            breaker: breaker(settings, &key("breaker")),
            max_response_bytes: settings.or_default(&key("max_response_bytes"), default.max_response_bytes, size),
            max_item_bytes: settings.or_default(&key("max_item_bytes"), default.max_item_bytes, size),
            credential_refusal_words: words.iter().map(|word| word.to_lowercase()).collect(),
            tls: tls::client(settings, &format!("upstreams.{name}"), default.url.scheme() == "http"),
            proxy: settings.optional(&key("proxy"), proxy),
            local_address: settings.optional(&key("local_address"), local_address),
            allow_http,
            url: default.url,
            api_user: default.api_user,
        };
        let is_plain = upstream.url.scheme() == "http" && !upstream.allow_http;
        let leaves_by_proxy =
            upstream.proxy.as_ref().is_some_and(|proxy| !Url::parse(&proxy.to_string()).is_ok_and(|url| is_loopback(&url)));
        if is_plain && (!is_loopback(&upstream.url) || leaves_by_proxy) {
            settings.fault(
                &key("url"),
                &format!("is plain http to another machine: use https, or say {} = true", key("allow_http")),
            );
        }
        is_complete.then_some(upstream)
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

fn url(text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("must be an address that begins with https://")?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user, query or fragment".to_owned());
    }
    if url.as_str().len() > MAX_URL {
        return Err(format!("must not be longer than {MAX_URL} characters"));
    }
    Ok(url)
}

/// Reads the address of a proxy.
pub(super) fn proxy(text: &str) -> Result<Uri, ConfigError> {
    let url = Url::parse(text.trim()).ok().filter(|url| {
        let has_more = url.query().is_some() || url.fragment().is_some() || url.path() != "/";
        let has_user = !url.username().is_empty() || url.password().is_some();
        url.scheme() == "http" && url.has_host() && !has_more && !has_user
    });
    let uri = url.and_then(|url| url.as_str().parse().ok());
    uri.ok_or_else(|| {
        "must be an address such as http://proxy.example:3128, without a user and with nothing after it".to_owned()
    })
}

fn local_address(text: &str) -> Result<IpAddr, ConfigError> {
    let address: IpAddr = parsed("an IP address of this machine")(text)?;
    if address.is_unspecified() { Err("must be one address, not all of them".to_owned()) } else { Ok(address) }
}

/// Whether an address is of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn dialect(text: &str) -> Result<Dialect, ConfigError> {
    match text {
        "network" => Ok(Dialect::Network),
        "provider" => Ok(Dialect::Provider),
        _ => Err("must be network or provider".to_owned()),
    }
}

fn charset(text: &str) -> Result<Charset, ConfigError> {
    Charset::parse(text).map_err(|error| error.to_string())
}

fn zone(text: &str) -> Result<Zone, ConfigError> {
    Zone::parse(text).map_err(|error| error.to_string())
}

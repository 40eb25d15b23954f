//! Sections `upstreams.<name>`.

use std::net::IpAddr;
use std::time::Duration;

use clap::ValueEnum;
use http::Uri;
use rustls::ClientConfig;
use url::Url;

use super::error::InvalidValue;
use super::settings::{Settings, duration};
use super::transport::{Transport, url};
use super::{Loaded, Resolver, Secret};
use crate::charset::Charset;
use crate::model::Zone;
use crate::resilience::BreakerSettings;

/// One upstream. The variables are those of the upstream `default`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// URL of its endpoint. Required; `GATEWAY__UPSTREAMS__DEFAULT__URL`.
    pub url: Url,
    /// Dialect of the legacy protocol. Default `network`; `GATEWAY__UPSTREAMS__DEFAULT__DIALECT`.
    pub dialect: Dialect,
    /// The user that the upstream knows the gateway by, together with the gateway's IP address. Required;
    /// `GATEWAY__UPSTREAMS__DEFAULT__API_USER` or `…_API_USER_FILE`.
    pub api_user: Secret,
    /// The key for the login of the dialect `provider`, and required there; `GATEWAY__UPSTREAMS__DEFAULT__API_KEY` or
    /// `…_API_KEY_FILE`.
    pub api_key: Option<Secret>,
    /// Charset of requests, and of responses that do not declare theirs. Default `utf-8`;
    /// `GATEWAY__UPSTREAMS__DEFAULT__CHARSET`.
    pub charset: Charset,
    /// Time zone of its timestamps. Default `Europe/Stockholm`; `GATEWAY__UPSTREAMS__DEFAULT__TIME_ZONE`.
    pub time_zone: Zone,
    /// Connect timeout, which all addresses of the upstream share; at most half of `timeout` in effect. Default 2s;
    /// `GATEWAY__UPSTREAMS__DEFAULT__CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
    /// How long a connection is reused after it was made, so that reads follow when the upstream's name moves to another
    /// address. Default 30s; `GATEWAY__UPSTREAMS__DEFAULT__MAX_CONNECTION_AGE`.
    pub max_connection_age: Duration,
    /// Response timeout; for lists: time to the first item and between chunks. Default 10s;
    /// `GATEWAY__UPSTREAMS__DEFAULT__TIMEOUT`.
    pub timeout: Duration,
    /// How long an unacknowledged write may still be applied upstream: the `Retry-After` of an unknown outcome. Default 35s;
    /// `GATEWAY__UPSTREAMS__DEFAULT__SETTLE_TIME`.
    pub settle_time: Duration,
    /// Maximum number of concurrent calls. A quarter of them, rounded down, is reserved for writes; lists may use half of the
    /// rest, and one client half of the lists, at least one. Default 64; `GATEWAY__UPSTREAMS__DEFAULT__MAX_IN_FLIGHT`.
    pub max_in_flight: usize,
    /// The circuit breaker. `GATEWAY__UPSTREAMS__DEFAULT__BREAKER__ENABLED`, default true; `…__MIN_CALLS`, 20: minimum number
    /// of calls in the window of 10 s; `…__FAILURE_PERCENT`, 80: failure rate that opens it; `…__MAX_OPEN`, 5s: maximum time
    /// it stays open.
    pub breaker: BreakerSettings,
    /// Maximum size of a response that is not a list. Default 8388608; `GATEWAY__UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES`.
    pub max_response_bytes: u64,
    /// Maximum size of a list item. Default 262144; `GATEWAY__UPSTREAMS__DEFAULT__MAX_ITEM_BYTES`.
    pub max_item_bytes: u64,
    /// Permits plain HTTP to another machine. Default false; `GATEWAY__UPSTREAMS__DEFAULT__ALLOW_HTTP`.
    pub allow_http: bool,
    /// TLS other than the system trust store with TLS 1.2 or 1.3. `GATEWAY__UPSTREAMS__DEFAULT__CA_FILE` (PEM) replaces the
    /// system trust store; `…__CLIENT_CERT_FILE` and `…__CLIENT_KEY_FILE` (PEM), both or neither, are the client certificate;
    /// `…__MIN_TLS_VERSION` is the minimum TLS version, `1.2` or `1.3`. The files are reloaded on change, for new connections.
    pub tls: Option<Loaded<ClientConfig>>,
    /// HTTP proxy. It tunnels https (CONNECT); plain HTTP it forwards, so its own responses are indistinguishable from the
    /// upstream's. Default: none, whatever the environment says; `GATEWAY__UPSTREAMS__DEFAULT__PROXY`.
    pub proxy: Option<Uri>,
    /// Source address of outgoing connections, which is part of the credential. Default: chosen by the system;
    /// `GATEWAY__UPSTREAMS__DEFAULT__LOCAL_ADDRESS`.
    pub local_address: Option<IpAddr>,
    /// How its name and that of its proxy are looked up.
    pub resolver: Resolver,
    /// Additional substrings that identify an authentication failure, ignoring case, besides a short list in Swedish and
    /// English; `GATEWAY__UPSTREAMS__DEFAULT__CREDENTIAL_REFUSAL_WORDS`.
    pub credential_refusal_words: Vec<String>,
}

/// The two dialects of the legacy protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Dialect {
    /// For network operators: every call names the user, and the source address authenticates it.
    #[default]
    Network,
    /// For service providers: a login with a key returns a session hash that is valid for 20 minutes.
    Provider,
}

/// Describes the key `api_user` when it is missing.
pub(super) const API_USER: &str = "the user that the upstream knows the gateway by";

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

const DEFAULT_MAX_CONNECTION_AGE: Duration = Duration::from_secs(30);
const DEFAULT_SETTLE_TIME: Duration = Duration::from_secs(35);

impl Upstream {
    /// An upstream with default settings.
    #[must_use]
    pub fn new(url: Url, api_user: Secret) -> Self {
        let Transport {
            connect_timeout,
            timeout,
            max_in_flight,
            breaker,
            max_response_bytes,
            max_item_bytes,
            allow_http,
            tls,
            proxy,
            local_address,
        } = Transport::default();
        Self {
            url,
            dialect: Dialect::default(),
            api_user,
            api_key: None,
            charset: Charset::UTF_8,
            time_zone: Zone::stockholm(),
            connect_timeout,
            max_connection_age: DEFAULT_MAX_CONNECTION_AGE,
            timeout,
            settle_time: DEFAULT_SETTLE_TIME,
            max_in_flight,
            breaker,
            max_response_bytes,
            max_item_bytes,
            allow_http,
            tls,
            proxy,
            local_address,
            resolver: Resolver::default(),
            credential_refusal_words: CREDENTIAL_REFUSAL_WORDS.map(str::to_owned).to_vec(),
        }
    }

    /// `None` when a required setting is missing or not valid, which is reported. The others are read even then, so that all
    /// errors are reported together.
    pub(super) fn read(settings: &mut Settings, name: &str) -> Option<Self> {
        let key = |field: &str| format!("upstreams.{name}.{field}");
        let url = settings.required(&key("url"), "the URL of the upstream", url);
        let api_user = settings.secret(&key("api_user"), API_USER, 1);
        let dialect = settings.or_default(&key("dialect"), Dialect::default(), dialect);
        // `Some(None)`: not needed. With the dialect `network` a given key is reported as unknown.
        let api_key = match dialect {
            Dialect::Network => Some(None),
            Dialect::Provider => settings.secret(&key("api_key"), "the key for the login of the dialect provider", 1).map(Some),
        };
        let charset = settings.or_default(&key("charset"), Charset::UTF_8, charset);
        let time_zone = settings.or_default(&key("time_zone"), Zone::stockholm(), zone);
        let max_connection_age = settings.or_default(&key("max_connection_age"), DEFAULT_MAX_CONNECTION_AGE, duration);
        let settle_time = settings.or_default(&key("settle_time"), DEFAULT_SETTLE_TIME, duration);
        let Transport {
            connect_timeout,
            timeout,
            max_in_flight,
            breaker,
            max_response_bytes,
            max_item_bytes,
            allow_http,
            tls,
            proxy,
            local_address,
        } = Transport::read(settings, &format!("upstreams.{name}"), url.as_ref());
        let mut credential_refusal_words = settings.list(&key("credential_refusal_words"), &[]);
        credential_refusal_words.extend(CREDENTIAL_REFUSAL_WORDS.map(str::to_owned));
        for phrase in &mut credential_refusal_words {
            *phrase = phrase.to_lowercase();
        }

        Some(Self {
            url: url?,
            dialect,
            api_user: api_user?,
            api_key: api_key?,
            charset,
            time_zone,
            connect_timeout,
            max_connection_age,
            timeout,
            settle_time,
            max_in_flight,
            breaker,
            max_response_bytes,
            max_item_bytes,
            allow_http,
            tls,
            proxy,
            local_address,
            resolver: Resolver::default(),
            credential_refusal_words,
        })
    }
}

pub(super) fn dialect(text: &str) -> Result<Dialect, InvalidValue> {
    match text {
        "network" => Ok(Dialect::Network),
        "provider" => Ok(Dialect::Provider),
        _ => Err(InvalidValue::expected("network or provider")),
    }
}

pub(super) fn charset(text: &str) -> Result<Charset, InvalidValue> {
    Ok(Charset::parse(text)?)
}

pub(super) fn zone(text: &str) -> Result<Zone, InvalidValue> {
    Ok(Zone::parse(text)?)
}

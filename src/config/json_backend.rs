//! A JSON system as a backend: any server of the gateway's own OpenAPI document.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use rustls::ClientConfig;
use url::Url;

use super::settings::{Settings, boolean};
use super::transport::{self, Transport};
use super::{Loaded, Reload, Resolver, Secret};
use crate::resilience::BreakerSettings;

/// One JSON system. Its keys are those of its fields; the transport's have the same meaning and defaults as for upstreams.
#[derive(Debug, Clone)]
pub struct JsonBackend {
    /// `url`: URL that the paths of the OpenAPI document are appended to. Required.
    pub url: Url,
    /// `token_file` or `token`: bearer token. Default: none; requests are sent without a credential then.
    pub token: Option<Secret>,
    /// `idempotency`: whether it knows the header `Idempotency-Key`. Without, a message that may have been added is never sent
    /// again, only looked for. Default true.
    pub idempotency: bool,
    /// `connect_timeout`: connect timeout, which all addresses share; at most half of `timeout` in effect.
    pub connect_timeout: Duration,
    /// `timeout`: response timeout; for lists: time to the first item and between chunks.
    pub timeout: Duration,
    /// `max_in_flight`: maximum number of concurrent calls.
    pub max_in_flight: usize,
    /// `breaker.enabled`, `breaker.min_calls`, `breaker.failure_percent`, `breaker.max_open`: the circuit breaker.
    pub breaker: BreakerSettings,
    /// `max_response_bytes`: maximum size of a response, and of a list that is one document.
    pub max_response_bytes: u64,
    /// `max_item_bytes`: maximum size of a line of a list.
    pub max_item_bytes: u64,
    /// `allow_http`: permits plain HTTP to another machine.
    pub allow_http: bool,
    /// `ca_file`, `client_cert_file`, `client_key_file`, `min_tls_version`: TLS other than the system trust store.
    pub tls: Option<Loaded<ClientConfig>>,
    /// `proxy`: HTTP proxy.
    pub proxy: Option<Uri>,
    /// `local_address`: source address of outgoing connections.
    pub local_address: Option<IpAddr>,
    /// How its name and that of its proxy are looked up.
    pub resolver: Resolver,
}

impl JsonBackend {
    /// A JSON system with default settings.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self::with(url, None, true, Transport::default())
    }

    /// The system of a section. `None` when its URL is missing or not valid, which is reported; the others are read even then.
    pub(super) fn read(settings: &mut Settings, section: &str) -> Option<Self> {
        let key = format!("{section}.url");
        let url = settings.required(&key, "the URL of the JSON system, such as https://orders.example/api", transport::url);
        let key = format!("{section}.token");
        let token = settings.optional_secret(&key, 1);
        let idempotency = settings.or_default(&format!("{section}.idempotency"), true, boolean);
        let transport = Transport::read(settings, section, url.as_ref());
        Some(Self::with(url?, token, idempotency, transport))
    }

    fn with(url: Url, token: Option<Secret>, idempotency: bool, transport: Transport) -> Self {
        let Transport { connect_timeout, timeout, max_in_flight, breaker, max_response_bytes, max_item_bytes, .. } = transport;
        let Transport { allow_http, tls, proxy, local_address, .. } = transport;
        Self {
            url,
            token,
            idempotency,
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
            resolver: Resolver::default(),
        }
    }

    /// The values that come from files and are reloaded when these change.
    pub fn reloads(&self) -> impl Iterator<Item = Box<dyn Reload>> {
        let token = self.token.clone().map(|token| Box::new(token) as Box<dyn Reload>);
        token.into_iter().chain(self.tls.clone().map(|tls| Box::new(tls) as Box<dyn Reload>))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigErrors;

    const SECTION: &str = "facade.backends.new";

    fn read(keys: &[(&str, &str)]) -> Result<JsonBackend, ConfigErrors> {
        let variable = |name: &str| format!("GATEWAY__FACADE__BACKENDS__NEW__{}", name.to_uppercase().replace('.', "__"));
        let mut settings = Settings::load(None, keys.iter().map(|(name, value)| (variable(name), (*value).to_owned())));
        let backend = JsonBackend::read(&mut settings, SECTION);
        settings.finish(backend)
    }

    fn errors(keys: &[(&str, &str)]) -> Vec<String> {
        let errors = read(keys).unwrap_err().to_string();
        errors.lines().skip(1).map(|line| line.trim().replace(SECTION, "")).collect()
    }

    #[test]
    fn defaults_are_those_of_upstreams() {
        let backend = read(&[("url", "https://orders.example/api")]).unwrap();
        let upstream = crate::config::Upstream::new(backend.url.clone(), "1".into());

        assert!(backend.idempotency && backend.token.is_none() && backend.reloads().next().is_none());
        assert_eq!((backend.timeout, backend.connect_timeout), (upstream.timeout, upstream.connect_timeout));
        assert_eq!((backend.max_in_flight, backend.max_item_bytes), (upstream.max_in_flight, upstream.max_item_bytes));
        assert_eq!(backend.max_response_bytes, upstream.max_response_bytes);
    }

    #[test]
    fn all_keys_are_read() {
        let token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(token.path(), "t0ken\n").unwrap();
        let backend = read(&[
            ("url", "http://orders.example/api"),
            ("allow_http", "true"),
            ("token_file", token.path().to_str().unwrap()),
            ("idempotency", "false"),
            ("timeout", "3s"),
            ("connect_timeout", "1s"),
            ("max_in_flight", "8"),
            ("breaker.min_calls", "5"),
            ("max_response_bytes", "4096"),
            ("max_item_bytes", "2048"),
            ("proxy", "http://proxy.example:3128"),
            ("local_address", "127.0.0.1"),
        ])
        .unwrap();

        assert_eq!(backend.token.as_ref().map(|token| token.with(str::to_owned)).as_deref(), Some("t0ken"));
        assert_eq!((backend.idempotency, backend.timeout, backend.breaker.min_calls), (false, Duration::from_secs(3), 5));
        assert_eq!((backend.max_response_bytes, backend.max_item_bytes, backend.max_in_flight), (4096, 2048, 8));
        assert!(backend.proxy.is_some() && backend.local_address.is_some() && backend.reloads().count() == 1);
    }

    #[test]
    fn all_faults_are_reported() {
        let missing = errors(&[("idempotency", "yes"), ("timeout", "10"), ("api_user", "1234")]);
        assert_eq!(missing.len(), 4, "{missing:?}");
        assert!(missing[0].starts_with(".url is missing: the URL of the JSON system"), "{missing:?}");

        let plain = errors(&[("url", "http://orders.example/api"), ("ca_file", "/dev/null")]);
        assert!(plain.iter().any(|line| line.starts_with(".url is plain http")), "{plain:?}");
    }
}

//! Fetches the keys of a token issuer over HTTP.
//!
//! An attacker who can change the JWKS can sign tokens. So it is fetched only from the configured URL or from the one in the
//! issuer's discovery document, over plain HTTP to another machine only where the configuration permits that, and redirects are
//! not followed.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap};
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::jwks::{Jwks, RejectedKey};
use crate::config::{Jwt, is_loopback};
use crate::http_client::{ConnectConfig, ConnectLog, ConnectorError, HttpClient, HttpError, Request, error_chain};
use crate::metrics::Metrics;

/// Fetches the JWKS of one issuer. Clones share connections.
#[derive(Debug, Clone)]
pub(super) struct JwksClient {
    issuer: String,
    allow_http: bool,
    location: Location,
    http: HttpClient,
    metrics: Metrics,
    /// The keys that the last set left out, to report them only when they change.
    reported: Arc<Mutex<Vec<RejectedKey>>>,
}

/// Where the JWKS is.
#[derive(Debug, Clone)]
enum Location {
    /// At this URL, which is configured.
    Jwks(Url),
    /// At the URL that the discovery document at this URL contains.
    Discovery(Url),
}

/// Why the keys of an issuer could not be fetched.
#[derive(Debug, thiserror::Error)]
enum JwksError {
    /// No connection, no response within the timeout, or a response that ended early.
    #[error("the issuer cannot be reached")]
    Transport(#[source] HttpError),
    #[error("the issuer answered with a redirect (HTTP status {0}), which is not followed: configure the URL that it leads to")]
    Redirect(StatusCode),
    #[error("the issuer answered with HTTP status {0}")]
    Status(StatusCode),
    #[error("the issuer's document has more than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("the issuer's document is compressed, although that was not accepted, and not by gzip")]
    UnknownCoding,
    #[error("the issuer's document is not valid gzip")]
    InvalidGzip(#[source] io::Error),
    #[error("the issuer's discovery document cannot be parsed")]
    InvalidDiscovery(#[source] serde_json::Error),
    #[error("the issuer's JWKS cannot be parsed")]
    InvalidJwks(#[source] serde_json::Error),
    #[error("the issuer's JWKS has no key that can be used")]
    NoUsableKey,
    #[error("the discovery document names another issuer than auth.jwt.issuer")]
    OtherIssuer,
    #[error("the discovery document names another issuer than auth.jwt.issuer: only one of them ends with a slash")]
    OtherSlash,
    #[error(
        "the jwks_uri of the discovery document has another scheme than the issuer, or leads over plain http to another machine"
    )]
    UntrustedJwksUri,
}

/// Limit for each of the two documents. A request waits no longer than its own deadline.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The registered codings of content besides gzip. Others, such as a charset that is written there by mistake, are ignored.
const UNREADABLE_CODINGS: [&str; 4] = ["br", "compress", "deflate", "zstd"];
/// Log lines about keys of one set.
const MAX_REPORTED_KEYS: usize = 20;
/// `OpenID` Connect Discovery 1.0, section 4.
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// The used part of a discovery document (`OpenID` Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl JwksError {
    /// The cause of a connection that could not be made, by its label.
    fn connect_cause(&self) -> Option<&'static str> {
        if let Self::Transport(error) = self { error.connect_cause() } else { None }
    }
}

impl JwksClient {
    pub(super) fn try_new(jwt: &Jwt, metrics: Metrics) -> Result<Self, ConnectorError> {
        let location = match &jwt.jwks_url {
            Some(url) => Location::Jwks(url.clone()),
            None => Location::Discovery(discovery_url(&jwt.keys_from)),
        };
        let direct = ConnectConfig::direct(&jwt.keys_from).with_roots(jwt.tls.as_ref());
        let connect = ConnectConfig { proxy: jwt.proxy.clone(), resolver: jwt.resolver.clone(), ..direct };
        let http = HttpClient::try_new(&connect, TIMEOUT / 2, ConnectLog::of_issuer(metrics.clone()))?;
        let (issuer, allow_http) = (jwt.issuer.clone(), jwt.allow_http);
        Ok(Self { issuer, allow_http, location, http, metrics, reported: Arc::default() })
    }

    /// Fetches the keys. Logs and counts what is wrong with them; `None` when there is no usable one.
    pub(super) async fn fetch(&self) -> Option<Jwks> {
        let keys = self.try_fetch().await;
        self.metrics.keys_fetched(keys.is_ok());
        if let Err(error) = &keys {
            tracing::error!(
                reason = error_chain(error),
                cause = error.connect_cause(),
                "the keys of the token issuer cannot be fetched; cached keys stay in use"
            );
        }
        keys.ok()
    }

    /// Fetches the keys, after the discovery document where no URL of the JWKS is configured.
    async fn try_fetch(&self) -> Result<Jwks, JwksError> {
        let jwks_url = match &self.location {
            Location::Jwks(url) => url.clone(),
            Location::Discovery(url) => self.discover(url.clone()).await?,
        };
        let keys = Jwks::parse(&self.get(jwks_url).await?).map_err(JwksError::InvalidJwks)?;
        self.report(keys.rejected());
        // An issuer that cannot read its keys may publish an empty set. It must not lock all clients out.
        if keys.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(keys) }
    }

    /// Logs and counts the keys that were left out, once for each change.
    fn report(&self, rejected: &[RejectedKey]) {
        let mut reported = self.reported.lock();
        if *reported == rejected {
            return;
        }
        for (position, RejectedKey { id, fault }) in rejected.iter().enumerate() {
            self.metrics.key_rejected(fault.kind());
            if position < MAX_REPORTED_KEYS {
                let kid: Option<String> = id.as_ref().map(|id| id.chars().take(100).collect());
                tracing::warn!(kid, reason = %format_args!("the key {fault}"), "a key of the token issuer is left out");
            }
        }
        reported.clear();
        reported.extend_from_slice(rejected);
    }

    async fn discover(&self, url: Url) -> Result<Url, JwksError> {
        let metadata: Metadata = serde_json::from_slice(&self.get(url).await?).map_err(JwksError::InvalidDiscovery)?;
        if metadata.issuer != self.issuer {
            let is_slash = metadata.issuer.trim_end_matches('/') == self.issuer.trim_end_matches('/');
            return Err(if is_slash { JwksError::OtherSlash } else { JwksError::OtherIssuer });
        }
        // The document must not lead from https to plain http, nor from one loopback service to the network, unless plain http
        // is permitted. From http to https is refused too: the client was built for the scheme of the issuer.
        let is_trusted = |url: &Url| match url.scheme() {
            "https" => self.issuer.starts_with("https:"),
            "http" => self.issuer.starts_with("http:") && (self.allow_http || is_loopback(url)),
            _ => false,
        };
        Url::parse(&metadata.jwks_uri).ok().filter(is_trusted).ok_or(JwksError::UntrustedJwksUri)
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, JwksError> {
        let deadline = Instant::now() + TIMEOUT;
        let document = timeout_at(deadline, self.get_before(url, deadline)).await;
        document.unwrap_or(Err(JwksError::Transport(HttpError::Timeout)))
    }

    async fn get_before(&self, url: Url, deadline: Instant) -> Result<Vec<u8>, JwksError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));

        let sent = self.http.send(&Request::get(url, headers), deadline).await;
        let mut response = sent.map_err(JwksError::Transport)?;
        match response.status() {
            status if status.is_success() => {}
            status if status.is_redirection() => return Err(JwksError::Redirect(status)),
            status => return Err(JwksError::Status(status)),
        }

        let coding = response.headers().get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok()).unwrap_or_default();
        if UNREADABLE_CODINGS.iter().any(|unreadable| coding.trim().eq_ignore_ascii_case(unreadable)) {
            return Err(JwksError::UnknownCoding);
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| JwksError::Transport(error.into()))? {
            if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(JwksError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        decompressed(document)
    }
}

/// Decodes gzip, which some servers send although it was not accepted, and some without a header that says so.
fn decompressed(document: Vec<u8>) -> Result<Vec<u8>, JwksError> {
    if !document.starts_with(b"\x1f\x8b") {
        return Ok(document);
    }
    let mut decoder = MultiGzDecoder::new(&*document).take(MAX_DOCUMENT_BYTES as u64 + 1);
    let mut decompressed = Vec::new();
    decoder.read_to_end(&mut decompressed).map_err(JwksError::InvalidGzip)?;
    if decompressed.len() > MAX_DOCUMENT_BYTES { Err(JwksError::TooLarge) } else { Ok(decompressed) }
}

fn discovery_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_query(None);
    url.set_path(&format!("{}{DISCOVERY_PATH}", issuer.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{AuthMode, Config};

    #[test]
    fn rejected_keys_are_counted_once_for_each_change() {
        let variables = [
            ("UPSTREAMS__DEFAULT__URL", "https://portal.example/orders"),
            ("UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("AUTH__MODE", "jwt"),
            ("AUTH__JWT__ISSUER", "http://localhost"),
            ("AUTH__JWT__AUDIENCE", "orders"),
        ];
        let variables = variables.map(|(name, value)| (format!("GATEWAY__{name}"), value.to_owned()));
        let config = Config::load(None, variables).unwrap();
        let AuthMode::Jwt(jwt) = &config.auth.mode else { panic!("another mode") };
        let metrics = Metrics::default();
        let client = JwksClient::try_new(jwt, metrics.clone()).unwrap();
        let report = |ids: &[&str]| {
            let keys: Vec<_> = ids.iter().map(|id| json!({"kid": id})).collect();
            client.report(Jwks::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap().rejected());
            let text = String::from_utf8(metrics.render()).unwrap();
            let count = text.lines().find_map(|line| line.strip_prefix("jwks_keys_rejected_total{reason=\"unsupported\"} "));
            count.unwrap_or("0").parse::<u64>().unwrap()
        };

        assert_eq!([report(&[]), report(&["a"]), report(&["a"]), report(&["a", "b"]), report(&["a", "b"])], [0, 1, 1, 3, 3]);
        assert_eq!([report(&[]), report(&["a"])], [3, 4]);
    }
}

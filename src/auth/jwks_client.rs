//! Fetches the keys of a token issuer over HTTP.
//!
//! An attacker who can change the JWKS can sign tokens. So it is fetched only from the configured URL or from the one in the
//! issuer's discovery document, never over plain HTTP to another machine, and redirects are not followed.

use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderValue, Method, StatusCode};
use reqwest::Request;
use serde::Deserialize;
use url::Url;

use super::jwks::Jwks;
use crate::config::{Jwt, is_loopback};
use crate::http_client::{ConnectConfig, HttpClient, HttpClientError};

/// Fetches the JWKS of one issuer. Clones share connections.
#[derive(Debug, Clone)]
pub(super) struct JwksClient {
    issuer: String,
    location: Location,
    http: HttpClient,
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
pub(super) enum JwksError {
    /// No connection, no response within the timeout, or a response that ended early.
    #[error("the issuer cannot be reached")]
    Transport(#[source] reqwest::Error),
    #[error("the issuer answered with HTTP status {0}")]
    Status(StatusCode),
    #[error("the issuer's document has more than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("the issuer's discovery document cannot be parsed")]
    InvalidDiscovery(#[source] serde_json::Error),
    #[error("the issuer's JWKS cannot be parsed")]
    InvalidJwks(#[source] serde_json::Error),
    #[error("the discovery document names another issuer")]
    OtherIssuer,
    #[error(
        "the jwks_uri of the discovery document has another scheme than the issuer, or leads over plain http to another machine"
    )]
    UntrustedJwksUri,
}

/// Limit for each of the two documents.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// `OpenID` Connect Discovery 1.0, section 4.
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// The used part of a discovery document (`OpenID` Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl JwksClient {
    pub(super) fn try_new(jwt: &Jwt) -> Result<Self, HttpClientError> {
        let location = match &jwt.jwks_url {
            Some(url) => Location::Jwks(url.clone()),
            None => Location::Discovery(discovery_url(&jwt.keys_from)),
        };
        let direct = ConnectConfig::direct(&jwt.keys_from).with_roots(jwt.tls.as_ref());
        let http = HttpClient::try_new(&ConnectConfig { proxy: jwt.proxy.clone(), ..direct }, TIMEOUT)?;
        Ok(Self { issuer: jwt.issuer.clone(), location, http })
    }

    /// Fetches the keys, after the discovery document where no URL of the JWKS is configured.
    pub(super) async fn fetch(&self) -> Result<Jwks, JwksError> {
        let jwks_url = match &self.location {
            Location::Jwks(url) => url.clone(),
            Location::Discovery(url) => self.discover(url.clone()).await?,
        };
        Jwks::parse(&self.get(jwks_url).await?).map_err(JwksError::InvalidJwks)
    }

    async fn discover(&self, url: Url) -> Result<Url, JwksError> {
        let metadata: Metadata = serde_json::from_slice(&self.get(url).await?).map_err(JwksError::InvalidDiscovery)?;
        if metadata.issuer != self.issuer {
            return Err(JwksError::OtherIssuer);
        }
        // The document must not lead from https to plain http, nor from one loopback service to the network. From http to
        // https is refused too: the client was built for the scheme of the issuer.
        let is_trusted = |url: &Url| match url.scheme() {
            "https" => self.issuer.starts_with("https:"),
            "http" => self.issuer.starts_with("http:") && is_loopback(url),
            _ => false,
        };
        Url::parse(&metadata.jwks_uri).ok().filter(is_trusted).ok_or(JwksError::UntrustedJwksUri)
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, JwksError> {
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));

        let mut response = self.http.send(request).await.map_err(JwksError::Transport)?;
        if !response.status().is_success() {
            return Err(JwksError::Status(response.status()));
        }

        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| JwksError::Transport(error.without_url()))? {
            if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(JwksError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

fn discovery_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_query(None);
    url.set_path(&format!("{}{DISCOVERY_PATH}", issuer.path().trim_end_matches('/')));
    url
}

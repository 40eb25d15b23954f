//! Asks an issuer of tokens for its keys.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::jwks::Jwks;
use crate::config::{Jwt, is_loopback};
use crate::http_client::{ConnectConfig, Connector, TrustStoreError, connector};

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub(super) struct JwksClient {
    name: String,
    jwks_url: Option<Url>,
    client: Client<Connector, Empty<Bytes>>,
}

/// How long it may take, discovery and keys each.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The greatest document that is read, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// The part of a discovery document that is read (`OpenID` Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl JwksClient {
    /// The issuer of the configuration.
    #[expect(clippy::disallowed_methods, reason = "nothing is written by it")]
    pub(super) fn try_new(jwt: &Jwt) -> Result<Self, TrustStoreError> {
        let straight = ConnectConfig::direct(&jwt.keys_from).with_roots(jwt.tls.as_ref());
        let route = ConnectConfig { proxy: jwt.proxy.clone(), ..straight };
        let client = Client::builder(TokioExecutor::new()).build(connector(&route, TIMEOUT)?);
        Ok(Self { name: jwt.issuer.clone(), jwks_url: jwt.jwks_url.clone(), client })
    }

    /// Its keys; `None` when they cannot be had, which is logged.
    pub(super) async fn keys(&self) -> Option<Jwks> {
        let keys = self.try_keys().await;
        if let Err(reason) = keys {
            tracing::error!(reason, "the keys of the tokens' issuer cannot be had; those that are known stay in use");
        }
        keys.ok()
    }

    async fn try_keys(&self) -> Result<Jwks, &'static str> {
        let url = match &self.jwks_url {
            Some(url) => url.as_str().to_owned(),
            None => self.discover().await?,
        };
        let document = self.get(&url).await?;
        Jwks::parse(&document).ok_or("its set of keys cannot be read")
    }

    async fn discover(&self) -> Result<String, &'static str> {
        let document = self.get(&format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'))).await?;
        let metadata: Metadata = serde_json::from_slice(&document).map_err(|_| "its discovery document cannot be read")?;
        if metadata.issuer != self.name {
            return Err("its discovery document is about another issuer");
        }
        // Keys that anybody on the way could change prove nothing, and connections are made as they were for the document.
        let leads = |url: &Url| match url.scheme() {
            "https" => self.name.starts_with("https:"),
            _ => self.name.starts_with("http:") && url.scheme() == "http" && is_loopback(url),
        };
        let is_trusted = Url::parse(&metadata.jwks_uri).is_ok_and(|url| leads(&url));
        if is_trusted { Ok(metadata.jwks_uri) } else { Err("its discovery document leads to where keys cannot be trusted") }
    }

    /// A document. Redirects are not followed: they would lead away from where trust was given to.
    #[expect(clippy::disallowed_methods, reason = "nothing of the order system's is sent from here")]
    async fn get(&self, url: &str) -> Result<Bytes, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "its address cannot be used")?;
        let request = Request::get(uri).header("accept", "application/json").body(Empty::new());
        let request = request.map_err(|_| "its address cannot be used")?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|_| "it cannot be reached")?;
            if !response.status().is_success() {
                return Err("its HTTP status is no success");
            }
            let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
            body.map(http_body_util::Collected::to_bytes).map_err(|_| "its document broke off or is too large")
        };
        timeout(TIMEOUT, exchange).await.unwrap_or(Err("it does not answer in time"))
    }
}

//! How connections to others are made.
//!
//! Nothing but the configuration decides where a connection goes and what it trusts: no proxy is taken from the environment.
//! A [`Connector`] gives connections that are complete, through a proxy and encrypted where they should be, within one time
//! limit. So a failure of it means that nothing was sent, and [`is_unsent`] can say so.
//!
//! A proxy is asked for a tunnel where connections are encrypted, and sees nothing of them. Plain requests it gets itself, and
//! what it does with one cannot be told from what the server does: its refusal is an answer, its silence a lost one.

mod client;
mod error;
mod stream;

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use url::Url;

use crate::config::Loaded;
use crate::tls::{self, MinVersion};

pub use client::HttpClientError;
pub(crate) use client::{HttpClient, error_chain};
pub(crate) use error::is_unsent;
pub(crate) use stream::Stream;

/// Makes connections.
pub(crate) type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

/// The way to a server.
#[derive(Debug, Clone)]
pub(crate) struct ConnectConfig {
    /// Whether connections are encrypted, and whom they trust.
    pub(crate) encryption: TlsMode,
    /// The http proxy that they go through.
    pub(crate) proxy: Option<Uri>,
    /// The address of this machine that they are made from.
    pub(crate) local_address: Option<IpAddr>,
}

/// Whether connections are encrypted, and whom they trust.
#[derive(Debug, Clone)]
pub(crate) enum TlsMode {
    /// They are plain.
    Off,
    /// They trust the authorities of this machine.
    Platform,
    /// They trust whom the configuration names, as it is when they are made.
    Configured(Loaded<ClientConfig>),
}

/// The machine has no usable certificate authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no usable certificate authorities on this machine")]
pub struct TrustStoreError;

impl ConnectConfig {
    /// The straight way to an address, by the authorities of this machine where it is https.
    pub(crate) fn direct(url: &Url) -> Self {
        let encryption = if url.scheme() == "http" { TlsMode::Off } else { TlsMode::Platform };
        Self { encryption, proxy: None, local_address: None }
    }

    /// The same way, trusting whom the configuration names, if it does.
    pub(crate) fn with_roots(mut self, tls: Option<&Loaded<ClientConfig>>) -> Self {
        if let Some(tls) = tls {
            self.encryption = TlsMode::Configured(tls.clone());
        }
        self
    }
}

impl TlsMode {
    /// `None` for plain connections.
    fn config(&self) -> Result<Option<Loaded<ClientConfig>>, TrustStoreError> {
        match self {
            Self::Off => Ok(None),
            Self::Platform => {
                let config = tls::client(None, None, MinVersion::default()).map_err(|_| TrustStoreError)?;
                Ok(Some(Loaded::given("", config)))
            }
            Self::Configured(config) => Ok(Some(config.clone())),
        }
    }
}

/// A connector that gives up after `timeout`: proxy and encryption included.
pub(crate) fn connector(route: &ConnectConfig, timeout: Duration) -> Result<Connector, TrustStoreError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_local_address(route.local_address);
    Ok(match (route.encryption.config()?, route.proxy.clone()) {
        (None, None) => with_timeout(timeout, tcp.map_response(Stream::plain)),
        (None, Some(proxy)) => {
            with_timeout(timeout, tcp.map_request(move |_| proxy.clone()).map_response(Stream::plain_through_proxy))
        }
        (Some(tls), None) => with_timeout(timeout, with_tls(tcp, tls)),
        (Some(tls), Some(proxy)) => with_timeout(timeout, with_tls(Tunnel::new(proxy, tcp), tls)),
    })
}

/// Encrypts the connections of another connector.
fn with_tls<S>(
    tcp: S,
    tls: Loaded<ClientConfig>,
) -> impl Service<Uri, Response = Stream, Error = BoxError, Future: Send> + Clone + Send + Sync
where
    S: Service<Uri, Response = TokioIo<TcpStream>, Future: Send, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
{
    service_fn(move |uri: Uri| {
        let mut https = HttpsConnector::from((tcp.clone(), tls.get()));
        https.enforce_https();
        https.map_response(Stream::encrypted).oneshot(uri)
    })
}

fn with_timeout<S>(timeout: Duration, connector: S) -> Connector
where
    S: Service<Uri, Response = Stream, Future: Send, Error: Into<BoxError> + Send + Sync> + Clone + Send + Sync + 'static,
{
    BoxCloneSyncService::new(ServiceBuilder::new().layer(TimeoutLayer::new(timeout)).service(connector))
}

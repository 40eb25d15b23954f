//! How outgoing connections are made.
//!
//! Only the configuration decides where a connection goes and which certificates it trusts: no proxy is taken from the
//! environment. A [`Connector`] returns connections that are ready for requests: TCP connection, proxy tunnel and TLS handshake
//! are complete, within one timeout. So when it fails, no request was sent, and [`is_unsent`] reports that.
//!
//! For HTTPS the proxy opens a tunnel (CONNECT) and sees nothing of the requests. For plain HTTP it forwards them, so proxy
//! errors are indistinguishable from upstream responses.

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

/// Makes connections to the address in a URI.
pub(crate) type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

/// How a server is connected to.
#[derive(Debug, Clone)]
pub(crate) struct ConnectConfig {
    pub(crate) tls: TlsMode,
    /// The HTTP proxy that connections go through.
    pub(crate) proxy: Option<Uri>,
    /// The source address of connections.
    pub(crate) local_address: Option<IpAddr>,
}

/// Whether connections use TLS, and which certificate authorities they trust.
#[derive(Debug, Clone)]
pub(crate) enum TlsMode {
    /// No TLS.
    Off,
    /// TLS with the trust store of the operating system.
    Platform,
    /// TLS as configured. Read for each connection, so that reloaded certificates are used.
    Configured(Loaded<ClientConfig>),
}

/// The operating system has no usable trust store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no usable certificate authorities on this machine")]
pub struct TrustStoreError;

impl ConnectConfig {
    /// Without a proxy, for HTTPS with the trust store of the operating system.
    pub(crate) fn direct(url: &Url) -> Self {
        let tls = if url.scheme() == "http" { TlsMode::Off } else { TlsMode::Platform };
        Self { tls, proxy: None, local_address: None }
    }

    /// With the configured TLS settings, if there are any.
    pub(crate) fn with_roots(mut self, tls: Option<&Loaded<ClientConfig>>) -> Self {
        if let Some(tls) = tls {
            self.tls = TlsMode::Configured(tls.clone());
        }
        self
    }
}

impl TlsMode {
    /// The TLS settings; `None` for plain connections.
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

/// A connector that fails after `timeout`, which includes the proxy tunnel and the TLS handshake.
pub(crate) fn connector(config: &ConnectConfig, timeout: Duration) -> Result<Connector, TrustStoreError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    // It makes the TCP connections of HTTPS as well.
    tcp.enforce_http(false);
    tcp.set_local_address(config.local_address);
    Ok(match (config.tls.config()?, config.proxy.clone()) {
        (None, None) => with_timeout(timeout, tcp.map_response(Stream::plain)),
        (None, Some(proxy)) => {
            with_timeout(timeout, tcp.map_request(move |_| proxy.clone()).map_response(Stream::plain_to_proxy))
        }
        (Some(tls), None) => with_timeout(timeout, with_tls(tcp, tls)),
        (Some(tls), Some(proxy)) => with_timeout(timeout, with_tls(Tunnel::new(proxy, tcp), tls)),
    })
}

/// Adds TLS to the connections of another connector.
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
        https.map_response(Stream::tls).oneshot(uri)
    })
}

fn with_timeout<S>(timeout: Duration, connector: S) -> Connector
where
    S: Service<Uri, Response = Stream, Future: Send, Error: Into<BoxError> + Send + Sync> + Clone + Send + Sync + 'static,
{
    BoxCloneSyncService::new(ServiceBuilder::new().layer(TimeoutLayer::new(timeout)).service(connector))
}

//! How connections to an order system are made.

use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};
use url::Url;

/// Makes connections, encrypted where the address says so.
pub(crate) type Connector = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// The machine has no usable certificate authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no usable certificate authorities on this machine")]
pub struct NoAuthorities;

/// A connector for `url` that gives up after `timeout`, encryption included. Nothing but the configuration decides where it
/// goes: no proxy is taken from the environment.
pub(crate) fn connector(url: &Url, timeout: Duration) -> Result<Connector, NoAuthorities> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    if url.scheme() == "http" {
        let plain = tower::ServiceExt::map_response(http, MaybeHttpsStream::Http);
        return Ok(within(timeout, plain));
    }
    let https = HttpsConnectorBuilder::new().try_with_platform_verifier().map_err(|_| NoAuthorities)?;
    Ok(within(timeout, https.https_only().enable_http1().wrap_connector(http)))
}

fn within<S>(timeout: Duration, connector: S) -> Connector
where
    S: tower::Service<Uri, Response = MaybeHttpsStream<TokioIo<TcpStream>>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError> + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(ServiceBuilder::new().layer(TimeoutLayer::new(timeout)).service(connector))
}

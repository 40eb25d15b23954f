//! One connection with all its requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use http::header::{CONNECTION, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::connection_timeouts::ConnectionTimeouts;
use super::{DrainSignal, Limits, monitored_io};

/// What a connection needs.
pub(super) struct Connection<S> {
    pub(super) service: S,
    /// By what it is encrypted, as it is when the connection opens.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) limits: Limits,
    pub(super) drain_signal: DrainSignal,
    /// Told when the connection shall end with the request it is at.
    pub(super) stopping: CancellationToken,
    /// Told when it shall end now.
    pub(super) force_close: CancellationToken,
}

/// How long, after a stop has begun, a client may take over the head of a request, or the first one of its connection.
const DRAIN_HEAD_GRACE: Duration = Duration::from_secs(1);

impl<S> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// Serves its requests until the client or the server ends it, or the client takes too long over something. A client that
    /// breaks its connection off is no news, nor is one that cannot or may not open it.
    pub(super) async fn serve(self, socket: TcpStream, peer: SocketAddr) {
        let Self { service, tls, limits, drain_signal, stopping, force_close: over } = self;
        // Small answers should not wait for more.
        let _ = socket.set_nodelay(true);
        let watch = ConnectionTimeouts::new(limits);
        let mut too_long = pin!(watch.timed_out());
        // A handshake takes its time from that of the first head.
        let opened = tokio::select! {
            biased;
            opened = monitored_io::open(socket, tls, watch.clone()) => opened,
            () = too_long.as_mut() => return,
            () = over.cancelled() => return,
        };
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%error, "a connection could not be encrypted"),
        };
        let seen = watch.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let response = ResponseGuard::begin(&seen, &request);
            request.extensions_mut().insert(ConnectInfo(peer));
            let (service, drain_signal) = (service.clone(), drain_signal.clone());
            async move {
                let mut answer = service.oneshot(request).await?;
                if drain_signal.has_begun() {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                // The response is over when its body goes, and takes this with it.
                let watched = |body: Body| {
                    body.map_err(move |error| {
                        let _ = &response;
                        error
                    })
                };
                Ok::<_, Infallible>(answer.map(watched))
            }
        });
        let mut http = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        // hyper resets a connection at its stop that it has read nothing from, and closes one in the middle of a head.
        let mut last_request = pin!(async {
            stopping.cancelled().await;
            if watch.is_in_head() {
                sleep(DRAIN_HEAD_GRACE).await;
            }
        });
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                _ = http.as_mut() => return,
                () = too_long.as_mut() => return,
                () = over.cancelled() => return,
                () = last_request.as_mut(), if !is_stopping => {
                    if !watch.has_had_request() {
                        return;
                    }
                    is_stopping = true;
                    http.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// A request that is being answered, until its response is over or nobody works at it any more.
struct ResponseGuard(ConnectionTimeouts);

impl ResponseGuard {
    fn begin(watch: &ConnectionTimeouts, request: &Request<Incoming>) -> Self {
        watch.request_received(!request.body().is_end_stream());
        Self(watch.clone())
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.response_ended();
    }
}

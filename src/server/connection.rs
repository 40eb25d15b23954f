//! One connection: TLS handshake, requests, drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
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
use super::connections::Connections;
use super::{DrainSignal, Limits, monitored_io};

/// What one connection is served with.
pub(super) struct Connection<S> {
    pub(super) service: S,
    /// `None` for plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) limits: Limits,
    pub(super) connections: Connections,
    pub(super) drain_signal: DrainSignal,
    /// Cancelled when the connection must close after the request that it is serving.
    pub(super) stopping: CancellationToken,
    /// Cancelled when the connection must close now.
    pub(super) force_close: CancellationToken,
}

/// What hyper buffers of a request that is not parsed yet, and of a response that is not written yet. The longest target and
/// header section that have an answer of the gateway's own (`middleware/request_limits.rs`) fit with some room.
const BUFFER: usize = 48 * 1024;
/// How long, once the drain has begun, the head of a request may still take, or the first request of a new connection.
const DRAIN_HEAD_GRACE: Duration = Duration::from_secs(1);

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error = axum::Error> + Send + 'static,
{
    /// Serves requests until the client or the drain closes the connection, or a timeout expires.
    pub(super) async fn serve(self, socket: TcpStream, peer: SocketAddr) {
        let timeouts = ConnectionTimeouts::new(self.limits);
        let registration = self.connections.register(timeouts.clone());
        let force_close = self.force_close.clone();
        tokio::select! {
            // In this order, so that the timeout is evaluated after the I/O that may have moved it.
            biased;
            () = self.run(socket, peer, &timeouts) => {}
            () = timeouts.timed_out() => {}
            () = registration.must_make_room() => {}
            () = force_close.cancelled() => {}
        }
    }

    async fn run(self, socket: TcpStream, peer: SocketAddr, timeouts: &ConnectionTimeouts) {
        let is_plain = self.tls.is_none();
        let stream = match monitored_io::open(socket, self.tls, timeouts.clone()).await {
            Ok(stream) => stream,
            // Port scanners and clients without a trusted certificate cause this; it is no fault of the server.
            Err(error) => return tracing::debug!(%error, "TLS handshake failed"),
        };
        let (service, drain_signal) = (self.service, self.drain_signal);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let guard = ResponseGuard::begin(timeouts, &request);
            request.extensions_mut().insert(ConnectInfo(peer));
            let (service, drain_signal) = (service.clone(), drain_signal.clone());
            async move {
                let version = request.version();
                let mut response = service.oneshot(request).await?;
                if response.body().size_hint().exact().is_none() {
                    timeouts.stream_begun();
                    // The end of the connection is the end of such a body in HTTP/1.0. With a response in this version hyper
                    // does not promise to keep the connection, whatever the client asked for.
                    if version == Version::HTTP_10 {
                        *response.version_mut() = version;
                    }
                }
                if drain_signal.has_begun() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                // hyper drops the body when the response has ended or failed, and the guard with it.
                let guarded = |body: B| {
                    body.map_err(move |error| {
                        guard.0.stream_failed();
                        error
                    })
                };
                Ok::<_, Infallible>(response.map(guarded))
            }
        });
        let mut builder = http1::Builder::new();
        // Otherwise hyper reads while it serves, only to notice that the client has left, which a plain `stream` does itself.
        builder.max_buf_size(BUFFER).half_close(is_plain);
        let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // `graceful_shutdown` closes a connection whose next head is not complete, and would reset a request that is just
        // arriving. So a head that is awaited or has begun gets some time before it.
        let drain = async {
            self.stopping.cancelled().await;
            if timeouts.awaits_head() {
                sleep(DRAIN_HEAD_GRACE).await;
            }
        };
        // hyper's result is an error when the client closed the connection early. The access log has that.
        tokio::select! {
            biased;
            _ = http.as_mut() => return,
            () = drain => {}
        }
        if timeouts.has_received_request() {
            http.as_mut().graceful_shutdown();
            let _ = http.await;
        }
    }
}

/// Keeps the connection in the busy phase with a request until dropped.
struct ResponseGuard(ConnectionTimeouts);

impl ResponseGuard {
    fn begin(timeouts: &ConnectionTimeouts, request: &Request<Incoming>) -> Self {
        timeouts.request_received(!request.body().is_end_stream());
        Self(timeouts.clone())
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.response_ended();
    }
}

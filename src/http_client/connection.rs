//! One HTTP/1.1 connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::cause::{self, Cause};
use super::framing::{AmbiguousLength, is_unambiguous};
use super::stream::Stream;

/// Read buffer of a connection, in bytes, and so the limit of a head: more makes lists no faster and each of them larger.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// More header lines than any server sends.
const MAX_HEADERS: usize = 256;

/// A connection for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    requests: SendRequest<Empty<Bytes>>,
    peer: SocketAddr,
    made_at: Instant,
    has_received: Arc<AtomicBool>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection could be made, or the server rejected it before it read the request. Nothing was processed.
    #[error("nothing was sent ({})", .0.label())]
    NotSent(Cause),
    /// The connection was lost. The request may have arrived.
    #[error("the connection was lost")]
    ConnectionLost {
        /// Whether nothing of an answer had arrived.
        is_unanswered: bool,
    },
    /// What arrived is no HTTP response, or does not say how long it is.
    #[error("the answer is not valid HTTP")]
    InvalidHttp,
}

impl Connection {
    /// Header lines that are not used may be wrong; see [`super::framing`] for those that are.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts connections")]
    pub(super) async fn start(stream: Stream) -> Result<Self, SendError> {
        let (peer, has_received) = (stream.peer(), stream.has_received());
        let mut builder = Builder::new();
        builder
            .max_buf_size(READ_BUFFER_BYTES)
            .max_headers(MAX_HEADERS)
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (requests, io) = handshake.map_err(|_| SendError::NotSent(Cause::Other))?;
        // Ends with the last request, or with the connection; its errors reach the request that waits for an answer.
        tokio::spawn(io);
        Ok(Self { requests, peer, made_at: Instant::now(), has_received })
    }

    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) const fn made_at(&self) -> Instant {
        self.made_at
    }

    /// Waits until another request can be sent; `false` if none can. Only for a connection whose last answer was read to its
    /// end.
    pub(super) async fn is_usable(&mut self) -> bool {
        self.requests.ready().await.is_ok()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, SendError> {
        self.has_received.store(false, Ordering::Relaxed);
        match self.requests.try_send_request(request).await {
            Ok(response) if is_unambiguous(response.headers()) => Ok(response),
            Ok(_) => Err(SendError::InvalidHttp),
            // The connection had ended before it took the request.
            Err(error) if error.message().is_some() => Err(SendError::NotSent(Cause::Reset)),
            Err(error) => Err(self.classify(error.error())),
        }
    }

    fn classify(&self, error: &hyper::Error) -> SendError {
        if cause::rejects_client_certificate(error) {
            SendError::NotSent(Cause::ClientCertificate)
        } else if error.is_parse() || cause::find::<AmbiguousLength>(error).is_some() {
            SendError::InvalidHttp
        } else {
            SendError::ConnectionLost { is_unanswered: !self.has_received.load(Ordering::Relaxed) }
        }
    }
}

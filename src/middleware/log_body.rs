//! Writes a request's line into the log when its response is over: only then is known how long it took, and whether the
//! client got all of it.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes};
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::backend::Context;

/// What is logged of a request.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) route: String,
    pub(super) status: StatusCode,
    pub(super) started: Instant,
    pub(super) context: Context,
    pub(super) upstream: String,
}

/// A body that logs its request when it ends.
#[derive(Debug)]
pub(super) struct LogBody {
    body: Body,
    line: Option<Line>,
    end: End,
}

/// How the response went.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It was sent whole.
    Complete,
    /// It was not, because the client left.
    ClientLeft,
    /// It was not, because the list could not be completed.
    BrokenOff,
}

impl LogBody {
    pub(super) fn new(body: Body, line: Line) -> Self {
        // The answer to HEAD ends before its body.
        let end = if body.is_end_stream() || line.method == Method::HEAD { End::Complete } else { End::ClientLeft };
        Self { body, line: Some(line), end }
    }
}

impl http_body::Body for LogBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Err(_))) => self.end = End::BrokenOff,
            Poll::Ready(None) => self.end = End::Complete,
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.end = End::Complete,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LogBody {
    fn drop(&mut self) {
        let Some(Line { id, method, route, status, started, context, upstream }) = self.line.take() else { return };
        let calls = context.record();
        tracing::info!(
            request.id = id,
            method = method.as_str(),
            route,
            status = status.as_u16(),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            client = "anonymous",
            upstream,
            legacy.call = calls.call,
            legacy.outcome = calls.outcome,
            retries = calls.retries,
            response = match self.end {
                End::Complete => "complete",
                End::ClientLeft => "client left",
                End::BrokenOff => "broken off",
            },
            "request"
        );
    }
}

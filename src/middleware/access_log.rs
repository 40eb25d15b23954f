//! Access log and request metrics, emitted when the response body ends: only then are duration, completeness and the outcome of
//! a detached write known.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes};
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Stack;
use crate::audit::{self, AuditContext};
use crate::auth::Principal;
use crate::backend::{CallLog, CompletionHook, RequestContext};

/// One line of the access log, apart from the upstream calls of the request. Shared between the request scope, the response
/// body and the [`RequestContext`], whose last clone emits it.
pub(super) struct AccessLogEntry {
    pub(super) request_id: Arc<str>,
    pub(super) method: Method,
    /// The label of the route.
    pub(super) route: Arc<str>,
    pub(super) started: Instant,
    /// Has the metrics.
    pub(super) stack: Arc<Stack>,
    pub(super) progress: Mutex<Progress>,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// `None` while the request is not authenticated.
    audit: Option<AuditContext>,
    /// `None` while there is no response.
    status: Option<u16>,
    end: ResponseEnd,
    ended_at: Option<Instant>,
}

/// How a response ended.
#[derive(Debug, Default, Clone, Copy)]
enum ResponseEnd {
    /// The client disconnected or the gateway stopped before the end. The default, because nothing runs in this case.
    #[default]
    Aborted,
    /// It was handed to hyper as a whole.
    Complete,
    /// A list failed after its head was sent.
    BrokenOff,
}

impl CompletionHook for AccessLogEntry {
    /// hyper drops the body just before it writes the last bytes, which wait for the line: formatting it into a buffer takes
    /// less than the task that would do it later.
    fn completed(&self, calls: CallLog) {
        let progress = self.progress.lock();
        let duration = progress.ended_at.unwrap_or_else(Instant::now) - self.started;
        self.stack.settings.metrics.request(&self.route, method_label(&self.method), progress.status, duration);
        self.emit(&progress, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &calls);
    }
}

impl AccessLogEntry {
    /// A line that discloses personal data is an audit line too, and those are written at every log level.
    fn emit(&self, progress: &Progress, duration_ms: u64, calls: &CallLog) {
        let audit = progress.audit.as_ref();
        let principal = audit.map(AuditContext::principal);
        let disclosure = audit.and_then(AuditContext::disclosure);
        let address = disclosure.and_then(|_| audit?.address());
        macro_rules! emit_to {
            ($target:expr) => {
                tracing::info!(
                    target: $target,
                    {
                        request.id = &*self.request_id,
                        method = method_label(&self.method),
                        route = &*self.route,
                        status = progress.status,
                        duration_ms,
                        client = principal.map(Principal::label),
                        upstream = principal.map(Principal::upstream),
                        legacy.call = calls.call,
                        legacy.outcome = calls.outcome,
                        retries = calls.retries,
                        response = progress.end.label(),
                        client.address = address.map(display),
                        audit.action = disclosure.map(|disclosure| disclosure.action),
                        audit.ids = disclosure.map(|disclosure| display(disclosure.id)),
                    },
                    "request"
                )
            };
        }
        if disclosure.is_some() {
            emit_to!(audit::TARGET);
        } else {
            emit_to!(module_path!());
        }
    }

    pub(super) fn record_principal(&self, audit: AuditContext) {
        self.progress.lock().audit = Some(audit);
    }

    fn record_end(&self, end: ResponseEnd) {
        self.progress.lock().end = end;
    }
}

impl ResponseEnd {
    const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::BrokenOff => "broken off",
            Self::Aborted => "aborted",
        }
    }
}

/// The method for logs and metrics. HTTP allows any token as a method, which would make as many time series.
fn method_label(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

/// A response body that records how it ends.
pub struct MonitoredBody {
    body: Body,
    entry: Arc<AccessLogEntry>,
    /// The last clone of the context emits the access log entry, so the entry waits for this body, and for a write that runs on
    /// after it.
    _context: RequestContext,
}

impl MonitoredBody {
    pub(super) fn new(body: Body, status: StatusCode, entry: Arc<AccessLogEntry>, context: RequestContext) -> Self {
        let mut progress = entry.progress.lock();
        progress.status = Some(status.as_u16());
        // hyper polls neither an empty body nor the body of a response to HEAD, so they are complete from the beginning.
        if body.is_end_stream() || entry.method == Method::HEAD {
            progress.end = ResponseEnd::Complete;
        }
        drop(progress);
        Self { body, entry, _context: context }
    }
}

impl http_body::Body for MonitoredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Err(_))) => self.entry.record_end(ResponseEnd::BrokenOff),
            Poll::Ready(None) => self.entry.record_end(ResponseEnd::Complete),
            // hyper does not poll a body again that says it has ended.
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.entry.record_end(ResponseEnd::Complete),
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

impl Drop for MonitoredBody {
    fn drop(&mut self) {
        // Fields are dropped after this, so the access log entry has the time.
        self.entry.progress.lock().ended_at = Some(Instant::now());
    }
}

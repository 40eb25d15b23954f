//! Access log and request metrics, emitted when the response body ends: only then are duration, completeness and the outcome of
//! a detached write known.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes};
use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::audit::{self, AuditContext};
use crate::auth::Principal;
use crate::backend::{CallLog, RequestContext};
use crate::metrics::Metrics;

/// One line of the access log, apart from the upstream calls of the request.
#[derive(Debug)]
pub(super) struct AccessLogEntry {
    pub(super) request_id: Arc<str>,
    pub(super) method: Method,
    pub(super) route: RouteTemplate,
    pub(super) started: Instant,
    pub(super) response: Arc<ResponseState>,
    pub(super) metrics: Metrics,
}

/// The template of the matched route, such as `/orders/{id}`. Paths themselves are never logged: a client may put anything
/// into them.
#[derive(Debug, Clone)]
pub(super) struct RouteTemplate {
    /// `None` for a path without a route. Includes the base path.
    pub(super) template: Option<MatchedPath>,
    pub(super) base_length: usize,
}

impl RouteTemplate {
    /// The template without the base path.
    pub(super) fn below_base(&self) -> Option<&str> {
        self.template.as_ref()?.as_str().get(self.base_length..)
    }

    /// The template for logs and metrics.
    fn label(&self) -> &str {
        let Some(template) = &self.template else { return "unknown" };
        // The base path itself redirects to the documentation; without it, nothing would be left of that route.
        self.below_base().filter(|route| !route.is_empty()).unwrap_or(template.as_str())
    }
}

/// What is known of the response so far. Shared between the request scope, the response body and the access log.
#[derive(Debug, Default)]
pub(super) struct ResponseState(Mutex<Progress>);

#[derive(Debug, Default, Clone)]
struct Progress {
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

impl AccessLogEntry {
    /// Emits the entry in a task of its own: hyper drops the body just before it writes the last bytes, and these need not wait
    /// for the log.
    pub(super) fn spawn_emit(self, calls: CallLog, tasks: &TaskTracker) {
        match Handle::try_current() {
            Ok(runtime) => drop(tasks.spawn_on(async move { self.emit(calls) }, &runtime)),
            // Dropped by a thread outside of the runtime, or after it has stopped.
            Err(_) => self.emit(calls),
        }
    }

    /// A line that discloses personal data is an audit line too, and those are written at every log level.
    fn emit(&self, calls: CallLog) {
        let Progress { audit, status, end, ended_at } = self.response.0.lock().clone();
        let duration = ended_at.unwrap_or_else(Instant::now) - self.started;
        self.metrics.request(self.route.label(), method_label(&self.method), status, duration);
        let principal = audit.as_ref().map(AuditContext::principal);
        let disclosure = audit.as_ref().and_then(AuditContext::disclosure);
        let address = disclosure.and_then(|_| audit.as_ref()?.address());
        macro_rules! emit_to {
            ($target:expr) => {
                tracing::info!(
                    target: $target,
                    {
                        request.id = &*self.request_id,
                        method = method_label(&self.method),
                        route = self.route.label(),
                        status,
                        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                        client = principal.map(Principal::label),
                        upstream = principal.map(Principal::upstream),
                        legacy.call = calls.call,
                        legacy.outcome = calls.outcome,
                        retries = calls.retries,
                        response = end.label(),
                        client.address = address.map(tracing::field::display),
                        audit.action = disclosure.map(|disclosure| disclosure.action),
                        audit.ids = disclosure.map(|disclosure| tracing::field::display(disclosure.id)),
                    },
                    "request"
                )
            };
        }
        match disclosure {
            Some(_) => emit_to!(audit::TARGET),
            None => emit_to!(module_path!()),
        }
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

impl ResponseState {
    pub(super) fn record_principal(&self, audit: AuditContext) {
        self.0.lock().audit = Some(audit);
    }

    fn record_end(&self, end: ResponseEnd) {
        self.0.lock().end = end;
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
#[derive(Debug)]
pub(super) struct MonitoredBody {
    body: Body,
    response: Arc<ResponseState>,
    /// The last clone of the context emits the access log entry, so the entry waits for this body, and for a write that runs on
    /// after it.
    _context: RequestContext,
}

impl MonitoredBody {
    pub(super) fn new(
        body: Body,
        status: StatusCode,
        method: &Method,
        response: Arc<ResponseState>,
        context: RequestContext,
    ) -> Self {
        response.0.lock().status = Some(status.as_u16());
        // hyper polls neither an empty body nor the body of a response to HEAD, so they are complete from the beginning.
        if body.is_end_stream() || method == Method::HEAD {
            response.record_end(ResponseEnd::Complete);
        }
        Self { body, response, _context: context }
    }
}

impl http_body::Body for MonitoredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Err(_))) => self.response.record_end(ResponseEnd::BrokenOff),
            Poll::Ready(None) => self.response.record_end(ResponseEnd::Complete),
            // hyper does not poll a body again that says it has ended.
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.response.record_end(ResponseEnd::Complete),
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
        self.response.0.lock().ended_at = Some(Instant::now());
    }
}

//! A request's line in the log and its part in the metrics. They are told when everything is over: only then is known how long
//! it took, whether the client got all of it, and how a write ended that the client did not wait for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes};
use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::auth::Principal;
use crate::backend::{CallLog, RequestContext};
use crate::metrics::Metrics;

/// What is logged of a request besides the calls that were made for it.
#[derive(Debug)]
pub(super) struct AccessLogEntry {
    pub(super) id: Arc<str>,
    pub(super) method: Method,
    pub(super) route: RouteTemplate,
    pub(super) started: Instant,
    pub(super) response: Arc<ResponseState>,
    pub(super) metrics: Metrics,
}

/// The template of a route.
#[derive(Debug, Clone)]
pub(super) struct RouteTemplate {
    /// As the router knows it; none where no route is.
    pub(super) template: Option<MatchedPath>,
    /// How long the base path is, which is left out.
    pub(super) base_length: usize,
}

impl RouteTemplate {
    /// The template without the base path.
    pub(super) fn below_base(&self) -> Option<&str> {
        self.template.as_ref()?.as_str().get(self.base_length..)
    }

    /// As it is told.
    fn as_str(&self) -> &str {
        let Some(template) = &self.template else { return "unknown" };
        self.below_base().filter(|route| !route.is_empty()).unwrap_or(template.as_str())
    }
}

/// How far the response came.
#[derive(Debug, Default)]
pub(super) struct ResponseState(Mutex<Progress>);

#[derive(Debug, Default, Clone)]
struct Progress {
    /// Who made the request; `None` for one who is not known.
    caller: Option<Principal>,
    /// `None` while there is no response.
    status: Option<u16>,
    end: ResponseEnd,
    /// When the response was over.
    over: Option<Instant>,
}

/// How a response ended.
#[derive(Debug, Default, Clone, Copy)]
enum ResponseEnd {
    /// It did not: the client left, or the gateway stopped.
    #[default]
    Aborted,
    /// It was sent whole.
    Complete,
    /// It was not, because a list could not be completed.
    BrokenOff,
}

impl AccessLogEntry {
    /// Writes the line in a task of its own: the end of a response is noticed just before its last bytes leave, and they need
    /// not wait for the log.
    pub(super) fn write_soon(self, calls: CallLog, tasks: &TaskTracker) {
        match Handle::try_current() {
            Ok(runtime) => drop(tasks.spawn_on(async move { self.write(calls) }, &runtime)),
            Err(_) => self.write(calls),
        }
    }

    /// Writes the line and counts the request.
    fn write(&self, calls: CallLog) {
        let Progress { caller, status, end, over } = self.response.progress().clone();
        let time = over.unwrap_or_else(Instant::now) - self.started;
        self.metrics.request(self.route.as_str(), known(&self.method), status, time);
        tracing::info!(
            request.id = &*self.id,
            method = known(&self.method),
            route = self.route.as_str(),
            status,
            duration_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            client = caller.as_ref().map(Principal::label),
            upstream = caller.as_ref().map(Principal::upstream),
            legacy.call = calls.call,
            legacy.outcome = calls.outcome,
            retries = calls.retries,
            response = match end {
                ResponseEnd::Complete => "complete",
                ResponseEnd::BrokenOff => "broken off",
                ResponseEnd::Aborted => "aborted",
            },
            "request"
        );
    }
}

impl ResponseState {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who made the request.
    pub(super) fn record_principal(&self, caller: Principal) {
        self.progress().caller = Some(caller);
    }

    fn ended(&self, end: ResponseEnd) {
        self.progress().end = end;
    }
}

/// A client may make methods up, and write anything into them.
fn known(method: &Method) -> &str {
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

/// A body that notes how it ends.
#[derive(Debug)]
pub(super) struct MonitoredBody {
    body: Body,
    response: Arc<ResponseState>,
    /// The line is written when this is the last.
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
        response.progress().status = Some(status.as_u16());
        // The answer to HEAD ends before its body.
        if body.is_end_stream() || method == Method::HEAD {
            response.ended(ResponseEnd::Complete);
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
            Poll::Ready(Some(Err(_))) => self.response.ended(ResponseEnd::BrokenOff),
            Poll::Ready(None) => self.response.ended(ResponseEnd::Complete),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.response.ended(ResponseEnd::Complete),
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
        self.response.progress().over = Some(Instant::now());
    }
}

//! One request from its head to the end of its answer: the access-log line and the metrics.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::answers::Answer;
use super::failure::Outcome;
use crate::audit;
use crate::backend::{CallLog, CompletionHook, RequestContext};
use crate::metrics::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What stands for a name that is not known.
const NONE: &str = "-";

/// What is known of a request. Shared between the handler, the body of its answer and the [`RequestContext`], whose last clone
/// reports it: a write may run on after the client has left.
pub(super) struct Exchange {
    started: Instant,
    method: http::Method,
    /// The request's own id, if it has one that is safe in logs.
    pub(super) request_id: Option<HeaderValue>,
    pub(super) address: Option<IpAddr>,
    metrics: Metrics,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    call: Option<&'static str>,
    client: Option<Arc<str>>,
    /// The order or customer that the call names.
    id: Option<u64>,
    status: Option<StatusCode>,
    outcome: Option<Outcome>,
    end: End,
    ended_at: Option<Instant>,
    /// Texts that lost characters which XML does not allow.
    cleaned: u64,
}

/// How an answer ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left, or the server stopped, before the end. The default, because nothing runs in this case.
    #[default]
    Aborted,
    Complete,
    /// A list failed after its head was sent.
    BrokenOff,
}

impl Exchange {
    pub(super) fn begin(request: &axum::extract::Request, address: Option<IpAddr>, metrics: &Metrics) -> Arc<Self> {
        metrics.request_begun();
        Arc::new(Self {
            started: Instant::now(),
            method: request.method().clone(),
            request_id: request_id(request.headers()).cloned(),
            address,
            metrics: metrics.clone(),
            progress: Mutex::default(),
        })
    }

    pub(super) fn record_call(&self, call: &'static str) {
        self.progress.lock().call = Some(call);
    }

    pub(super) fn record_client(&self, name: &Arc<str>) {
        self.progress.lock().client = Some(Arc::clone(name));
    }

    pub(super) fn record_id(&self, id: u64) {
        self.progress.lock().id = Some(id);
    }

    pub(super) fn record_cleaned(&self, texts: u32) {
        self.progress.lock().cleaned += u64::from(texts);
    }

    /// The response, which reports the exchange when it and all calls have ended.
    pub(super) fn finish(self: Arc<Self>, answer: Answer, context: RequestContext) -> Response {
        let Answer { mut response, outcome, cleaned } = answer;
        if let Some(id) = &self.request_id {
            response.headers_mut().insert(REQUEST_ID, id.clone());
        }
        let mut progress = self.progress.lock();
        progress.status = Some(response.status());
        progress.outcome = Some(outcome);
        progress.cleaned += u64::from(cleaned);
        // hyper polls neither an empty body nor the body of a response to HEAD.
        if response.body().is_end_stream() || self.method == http::Method::HEAD {
            progress.end = End::Complete;
        }
        drop(progress);
        response.map(|body| Body::new(ReportedBody { body, exchange: self, _context: context }))
    }
}

impl CompletionHook for Exchange {
    fn completed(&self, calls: CallLog) {
        let progress = self.progress.lock();
        let duration = progress.ended_at.unwrap_or_else(Instant::now) - self.started;
        let (call, client) = (progress.call.unwrap_or(NONE), progress.client.as_deref().unwrap_or(NONE));
        let system = calls.system.as_deref().unwrap_or(NONE);
        let outcome = match progress.outcome {
            // What was sent of it is not what the client was meant to get.
            Some(Outcome::Success) if progress.end != End::Complete => Outcome::Broken,
            Some(outcome) => outcome,
            None => Outcome::Broken,
        };
        let status = progress.status.map(|status| status.as_u16());
        self.metrics.request(call, method_label(&self.method), status, duration);
        self.metrics.facade_request(client, call, system, outcome.as_str());
        if progress.cleaned > 0 {
            self.metrics.drift(system, call, "charset", "answer", progress.cleaned);
        }
        tracing::info!(
            target: audit::TARGET,
            {
                request.id = self.request_id.as_ref().and_then(|id| id.to_str().ok()),
                method = method_label(&self.method),
                status,
                duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                client,
                client.address = self.address.map(tracing::field::display),
                system,
                legacy.call = call,
                legacy.outcome = calls.outcome,
                retries = calls.retries,
                outcome = outcome.as_str(),
                response = progress.end.label(),
                audit.ids = progress.id,
            },
            "call"
        );
    }
}

impl End {
    const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::BrokenOff => "broken off",
            Self::Aborted => "aborted",
        }
    }
}

/// The id that the client or a proxy assigned, if it has the form that ids of requests have.
fn request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let has_form = |id: &&HeaderValue| (16..=128).contains(&id.len()) && id.as_bytes().iter().all(|byte| is_safe(*byte));
    let mut ids = headers.get_all(REQUEST_ID).iter();
    ids.next().filter(has_form).filter(|_| ids.next().is_none())
}

/// The method for logs and metrics: HTTP allows any token as a method.
fn method_label(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::HEAD => "HEAD",
        _ => "other",
    }
}

/// A body that records how it ends. Dropped together with its context, which then reports the exchange.
struct ReportedBody {
    body: Body,
    exchange: Arc<Exchange>,
    _context: RequestContext,
}

impl http_body::Body for ReportedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Err(_))) => self.exchange.progress.lock().end = End::BrokenOff,
            Poll::Ready(None) => self.exchange.progress.lock().end = End::Complete,
            // hyper does not poll a body again that says it has ended.
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.exchange.progress.lock().end = End::Complete,
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

impl Drop for ReportedBody {
    fn drop(&mut self) {
        // Fields are dropped after this, and with the context the exchange is reported.
        self.exchange.progress.lock().ended_at = Some(Instant::now());
    }
}

//! What lasts from the beginning of a request to the end of its response: id, deadline, access log entry.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Uri};
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::access_log::{AccessLogEntry, MonitoredBody, Progress};
use super::route_table::Route;
use super::{Settings, Stack, forwarded_prefix};
use crate::audit::AuditContext;
use crate::backend::RequestContext;
use crate::problem::{self, ProblemContext};
use crate::request::RequestInfo;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request in progress.
pub(super) struct RequestScope {
    entry: Arc<AccessLogEntry>,
    uri: Uri,
    context: RequestContext,
    /// The configured base path, below the prefix that a proxy has stripped.
    base_path: Arc<str>,
    /// That prefix, without a slash at its end; empty for none.
    prefix: Box<str>,
    /// Whether the request needs no credentials: the documentation, and `OPTIONS`, which browsers send without any.
    pub(super) is_public: bool,
}

impl RequestScope {
    /// Assigns an id and a deadline to the request.
    pub(super) fn begin(request: &Request, stack: &Arc<Stack>) -> Self {
        let settings = &stack.settings;
        let Route { label, is_public } = stack.routes.find(request.uri().path());
        settings.metrics.request_begun();
        let entry = Arc::new(AccessLogEntry {
            request_id: request_id(request.headers()),
            method: request.method().clone(),
            route: Arc::clone(label),
            started: Instant::now(),
            stack: Arc::clone(stack),
            progress: Mutex::new(Progress::default()),
        });
        let context = RequestContext::with_completion_hook(settings.request_timeout, Arc::clone(&entry) as _);
        let prefix: Box<str> = forwarded_prefix::resolve(request, &settings.trusted_proxies).into();
        Self {
            is_public: *is_public || entry.method == Method::OPTIONS,
            entry,
            uri: request.uri().clone(),
            context,
            base_path: public_base_path(&prefix, settings),
            prefix,
        }
    }

    /// The id of the request.
    pub(super) fn id(&self) -> &Arc<str> {
        &self.entry.request_id
    }

    /// When the response is due.
    pub(super) fn deadline(&self) -> Instant {
        self.context.deadline()
    }

    /// Records the principal for the access log and for the handler.
    pub(super) fn record_principal(&self, audit: AuditContext, request: &mut Request) {
        self.entry.record_principal(audit.clone());
        request.extensions_mut().insert(RequestInfo {
            audit,
            uri: self.uri.clone(),
            context: self.context.clone(),
            route: Arc::clone(&self.entry.route),
            base_path: Arc::clone(&self.base_path),
        });
    }

    /// Renders the body of a problem, adds the request id, and monitors the body for the access log.
    #[expect(clippy::expect_used, reason = "`request_id` returns only letters, digits and `.`, `_`, `-`")]
    pub(super) fn finish(self, response: Response) -> http::Response<MonitoredBody> {
        let Self { entry, uri, context, base_path, prefix, .. } = self;
        let mut response = problem::render(response, || ProblemContext {
            base_path,
            instance: format!("{prefix}{}", instance(&uri)),
            request_id: Arc::clone(&entry.request_id),
        });
        let status = response.status();
        let headers = response.headers_mut();
        // Orders contain personal data; what may be cached says so itself.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(REQUEST_ID, HeaderValue::try_from(&*entry.request_id).expect("a request id is a header value"));
        response.map(|body| MonitoredBody::new(body, status, entry, context))
    }
}

/// The configured base path, below the prefix that a proxy has stripped.
fn public_base_path(prefix: &str, settings: &Settings) -> Arc<str> {
    if prefix.is_empty() { Arc::clone(&settings.base_path) } else { format!("{prefix}{}", settings.base_path).into() }
}

/// The id that the client or a proxy assigned, if it is safe in logs, else a new UUID.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    const MAX_LENGTH: usize = 128;
    let is_safe = |id: &&str| {
        (1..=MAX_LENGTH).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let received = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_safe);
    let generated = || Arc::from(&*Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    received.map_or_else(generated, Arc::from)
}

/// The `instance` of a problem: the path, without the query. `OPTIONS *` and authority-form targets have no path.
fn instance(uri: &Uri) -> &str {
    let path = uri.path();
    if path.starts_with('/') { path } else { "/" }
}

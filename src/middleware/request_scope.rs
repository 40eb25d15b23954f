//! What lasts from the beginning of a request to the end of its response: id, deadline, access log entry.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request};
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Uri};
use tokio::time::Instant;
use uuid::Uuid;

use super::Settings;
use super::access_log::{AccessLogEntry, MonitoredBody, ResponseState, RouteTemplate};
use super::forwarded_prefix;
use crate::audit::AuditContext;
use crate::backend::RequestContext;
use crate::problem::{self, ProblemContext, PublicBasePath};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request in progress.
pub(super) struct RequestScope {
    id: Arc<str>,
    method: Method,
    uri: Uri,
    route: RouteTemplate,
    response: Arc<ResponseState>,
    context: RequestContext,
    /// The prefix that a proxy has stripped, without a slash at its end; empty for none.
    prefix: Box<str>,
}

impl RequestScope {
    /// Assigns an id and a deadline to the request, and puts its [`RequestContext`] into the extensions for the handler.
    pub(super) fn begin(request: &mut Request, settings: &Settings) -> Self {
        let id = request_id(request.headers());
        let method = request.method().clone();
        let route = RouteTemplate {
            template: request.extensions().get::<MatchedPath>().cloned(),
            base_length: if &*settings.base_path == "/" { 0 } else { settings.base_path.len() },
        };
        // axum strips the base path from the URI of a nested router; problems report the path that the client sent.
        let uri = request.extensions().get::<OriginalUri>().map_or_else(|| request.uri(), |original| &original.0).clone();
        let response = Arc::new(ResponseState::default());
        settings.metrics.request_begun();
        let entry = AccessLogEntry {
            request_id: Arc::clone(&id),
            method: method.clone(),
            route: route.clone(),
            started: Instant::now(),
            response: Arc::clone(&response),
            metrics: settings.metrics.clone(),
        };
        let tasks = settings.tasks.clone();
        let context =
            RequestContext::with_completion_hook(settings.request_timeout, move |calls| entry.spawn_emit(calls, &tasks));
        request.extensions_mut().insert(context.clone());
        let prefix: Box<str> = forwarded_prefix::resolve(request, &settings.trusted_proxies).into();
        if !prefix.is_empty() {
            request.extensions_mut().insert(PublicBasePath(public_base_path(&prefix, settings)));
        }
        Self { id, method, uri, route, response, context, prefix }
    }

    /// Whether the request needs no credentials: the documentation, and `OPTIONS`, which browsers send without any.
    pub(super) fn is_public(&self, settings: &Settings) -> bool {
        self.method == Method::OPTIONS || self.route.below_base().is_some_and(settings.is_public_route)
    }

    /// The request id.
    pub(super) fn id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// When the response is due.
    pub(super) fn deadline(&self) -> Instant {
        self.context.deadline()
    }

    /// Records the principal for the access log.
    pub(super) fn record_principal(&self, audit: &AuditContext) {
        self.response.record_principal(audit.clone());
    }

    /// Renders the body of a problem, adds the request id, and monitors the body for the access log.
    #[expect(clippy::expect_used, reason = "`request_id` returns only letters, digits and `.`, `_`, `-`")]
    pub(super) fn finish(self, response: Response, settings: &Settings) -> Response {
        let Self { id, method, uri, response: state, context, prefix, .. } = self;
        let mut response = problem::render(response, || ProblemContext {
            base_path: public_base_path(&prefix, settings),
            instance: format!("{prefix}{}", instance(&uri)),
            request_id: Arc::clone(&id),
        });
        let status = response.status();
        let headers = response.headers_mut();
        // Orders contain personal data; what may be cached says so itself.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(REQUEST_ID, HeaderValue::try_from(&*id).expect("a request id is a header value"));
        response.map(|body| Body::new(MonitoredBody::new(body, status, &method, state, context)))
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

//! The id, the deadline and the log line of a request.

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
use crate::auth::Principal;
use crate::backend::RequestContext;
use crate::problem::{self, ProblemContext};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that is being answered.
pub(super) struct RequestScope {
    id: Arc<str>,
    method: Method,
    uri: Uri,
    route: RouteTemplate,
    state: Arc<ResponseState>,
    context: RequestContext,
}

impl RequestScope {
    /// Gives the request an id and a deadline, which its handler finds in it.
    pub(super) fn begin(request: &mut Request, settings: &Settings) -> Self {
        let id = request_id(request.headers());
        let method = request.method().clone();
        let state = Arc::new(ResponseState::default());
        let route = route(request, &settings.base_path);
        settings.metrics.request_begun();
        let line = AccessLogEntry {
            id: Arc::clone(&id),
            method: method.clone(),
            route: route.clone(),
            started: Instant::now(),
            response: Arc::clone(&state),
            metrics: settings.metrics.clone(),
        };
        let tasks = settings.tasks.clone();
        let context =
            RequestContext::with_completion_hook(settings.request_timeout, move |calls| line.write_soon(calls, &tasks));
        let uri = original(request).clone();
        request.extensions_mut().insert(context.clone());
        Self { id, method, uri, route, state, context }
    }

    /// Whether the request is one that everybody may make: for documentation, or about what can be asked.
    pub(super) fn is_public(&self, settings: &Settings) -> bool {
        self.method == Method::OPTIONS || self.route.below_base().is_some_and(settings.is_public_route)
    }

    /// The id of the request.
    pub(super) fn id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    /// Notes who makes the request.
    pub(super) fn record_principal(&self, caller: &Principal) {
        self.state.record_principal(caller.clone());
    }

    /// Writes the body of a problem, gives the response its id, and watches how it ends.
    pub(super) fn finish(self, response: Response, settings: &Settings) -> Response {
        let Self { id, method, uri, state, context, .. } = self;
        let occurrence = || ProblemContext {
            base_path: Arc::clone(&settings.base_path),
            instance: instance(&uri),
            request_id: Arc::clone(&id),
        };
        let mut response = problem::render(response, occurrence);
        let status = response.status();
        let headers = response.headers_mut();
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        // Every request id is made of characters that a header may have.
        headers.insert(REQUEST_ID, HeaderValue::try_from(&*id).unwrap_or(HeaderValue::from_static("-")));
        response.map(|body| Body::new(MonitoredBody::new(body, status, &method, state, context)))
    }
}

/// The id that the client or a proxy gave, if it is fit for logs, else a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    const MAX_ID: usize = 128;
    let is_fit = |id: &&str| {
        !id.is_empty()
            && id.len() <= MAX_ID
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_fit);
    let new = || Arc::from(&*Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    given.map_or_else(new, Arc::from)
}

/// The route's template; ids and what else a client may write into a path stay out of the log.
fn route(request: &Request, base_path: &str) -> RouteTemplate {
    let template = request.extensions().get::<MatchedPath>().cloned();
    RouteTemplate { template, base_length: if base_path == "/" { 0 } else { base_path.len() } }
}

/// The path that a problem is told of. A request may be about none.
fn instance(uri: &Uri) -> String {
    let path = uri.path();
    if path.starts_with('/') { path.to_owned() } else { "/".to_owned() }
}

/// The address as the client wrote it.
fn original(request: &Request) -> &Uri {
    request.extensions().get::<OriginalUri>().map_or_else(|| request.uri(), |uri| &uri.0)
}

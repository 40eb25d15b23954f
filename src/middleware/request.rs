//! The id, the deadline and the log line of a request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use tokio::time::Instant;
use uuid::Uuid;

use super::Settings;
use super::line::{Line, ResponseState, WatchedBody};
use crate::backend::Context;
use crate::rest::problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn serve(State(settings): State<Arc<Settings>>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let instance = instance(&request);
    let state = Arc::new(ResponseState::default());
    let line = Line {
        id: id.clone(),
        method: method.clone(),
        route: route(&request, &settings.base_path),
        started: Instant::now(),
        upstream: settings.upstream.clone(),
        response: Arc::clone(&state),
    };
    let context = Context::telling(settings.request_timeout, move |calls| line.write(calls));
    request.extensions_mut().insert(context.clone());

    let response = next.run(request).await;

    let mut response = problem::render(response, &settings.base_path, &instance, &id);
    let status = response.status();
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // Every request id is made of characters that a header may have.
    headers.insert(REQUEST_ID, HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-")));
    response.map(|body| Body::new(WatchedBody::new(body, status, &method, state, context)))
}

/// The id that the client or a proxy gave, if it is fit for logs, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    const MAX_ID: usize = 128;
    let is_fit = |id: &&str| {
        !id.is_empty()
            && id.len() <= MAX_ID
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_fit);
    given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

/// The route's template without the base path; ids and what else a client may write into a path stay out of the log.
fn route(request: &Request, base_path: &str) -> String {
    let template = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let below = if base_path == "/" { Some(template) } else { template.strip_prefix(base_path) };
    below.filter(|route| !route.is_empty()).unwrap_or(template).to_owned()
}

fn instance(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>().map_or_else(|| request.uri(), |uri| &uri.0);
    original.path().to_owned()
}

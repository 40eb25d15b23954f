//! What every request passes, outermost first.
//!
//! 1. [`request`] — gives the request its id, its deadline and its line in the log, and writes the bodies of problems.
//!    Outermost, so that whatever happens inside is told and logged.
//! 2. [`panics`] — a handler that panics answers a problem. Inside of the first, which writes it; outside of the rest,
//!    which may panic too.
//! 3. [`limits`] — refuses what is too large before any handler looks at it.

mod limits;
mod line;
mod panics;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use http::HeaderValue;
use http::header::ALLOW;

/// What requests are told by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The path below which all routes are.
    pub base_path: String,
    /// How long a request may take that is no list.
    pub request_timeout: Duration,
    /// Name of the upstream that requests are for.
    pub upstream: String,
}

/// The routes with everything around them.
pub fn apply(router: Router, settings: Settings) -> Router {
    let inner = router
        .layer(from_fn(limits::check))
        .layer(from_fn(panics::catch))
        .layer(from_fn_with_state(Arc::new(settings), request::serve));
    Router::new().fallback_service(inner).layer(map_response(allow_options))
}

/// Every route has `OPTIONS`. The router, which writes `Allow` last of all, does not know that.
async fn allow_options(mut response: Response) -> Response {
    if let Some(allow) = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok())
        && let Ok(all) = HeaderValue::try_from(format!("{allow},OPTIONS").replace(',', ", "))
    {
        response.headers_mut().insert(ALLOW, all);
    }
    response
}

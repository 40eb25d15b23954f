//! What every request passes, in one function: [`serve`].

mod access_log;
mod authentication;
mod catch_panic;
mod client_ip;
mod compression;
mod cors;
mod request_limits;
mod request_scope;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use tokio_util::task::TaskTracker;
use tower::util::MapResponse;

use compression::Coding;
use cors::CorsRequest;
use request_scope::RequestScope;

use crate::audit::AuditContext;
use crate::auth::Authentication;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::resilience::RateLimit;

/// What requests are told by.
#[derive(Debug)]
pub struct Settings {
    /// The path below which all routes are.
    pub base_path: Arc<str>,
    /// How long a request may take that is no list.
    pub request_timeout: Duration,
    /// How callers are known.
    pub authentication: Authentication,
    /// Where they are counted.
    pub metrics: Metrics,
    /// Where the lines of the log are written; a stop waits for them.
    pub tasks: TaskTracker,
    /// How many each client address may make.
    pub rate: Option<RateLimit<IpAddr>>,
    /// The proxies whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins whose pages may read the API.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether a route, by its template without the base path, needs no credential.
    pub is_public_route: fn(&str) -> bool,
    /// Whether clients come by https to this very server.
    pub is_tls: bool,
}

/// The routes with everything around them.
pub type Inbound = MapResponse<Router, fn(Response) -> Response>;

/// Puts everything around the routes.
pub fn apply(router: Router, settings: Settings) -> Inbound {
    let all: fn(Response) -> Response = allow_options;
    MapResponse::new(router.layer(from_fn_with_state(Arc::new(settings), serve)), all)
}

/// The way of a request, outermost first.
async fn serve(State(settings): State<Arc<Settings>>, mut request: Request, next: Next) -> Response {
    // Its id, its deadline and its line in the log come first and last, so that whatever happens in between is told.
    let tracked = RequestScope::begin(&mut request, &settings);
    let coding = Coding::preferred(request.headers());
    let page = CorsRequest::of(request.method(), request.headers(), &settings.cors_origins);
    let admitted = admit(&mut request, &tracked, &settings).await;
    let response = match admitted {
        // Who is not known, asks for too much or too often is refused before any handler looks at it.
        Err(problem) => problem.into_response(),
        // It is about no path, so no route knows it.
        Ok(()) if request.method() == Method::OPTIONS && request.uri().path() == "*" => StatusCode::NO_CONTENT.into_response(),
        // A handler that panics answers a problem.
        Ok(()) => catch_panic::catch(next.run(request)).await,
    };
    // Whether a response was sent whole is seen behind the compression.
    let mut response = tracked.finish(compression::apply(response, coding), &settings);
    page.add_headers(&mut response, &settings.cors_origins, settings.is_tls);
    response
}

/// Lets a request in: from an address that does not ask too often, by a caller that is known, in a form that can be served.
async fn admit(request: &mut Request, tracked: &RequestScope, settings: &Settings) -> Result<(), Problem> {
    let address = client_ip::of(request, &settings.trusted_proxies);
    request_limits::check_rate(address, settings.rate.as_ref())?;
    if !tracked.is_public(settings) {
        let caller = authentication::caller(&settings.authentication, request.headers(), &settings.metrics).await?;
        tracked.record_principal(&caller);
        request_limits::check_principal_rate(&caller)?;
        request.extensions_mut().insert(AuditContext { request_id: tracked.id(), principal: caller, address });
    }
    request_limits::check(request)
}

/// Every route has `OPTIONS`. The router, which writes `Allow` last of all, does not know that.
fn allow_options(mut response: Response) -> Response {
    if let Some(allow) = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok())
        && let Ok(all) = HeaderValue::try_from(format!("{allow},OPTIONS").replace(',', ", "))
    {
        response.headers_mut().insert(ALLOW, all);
        CorsRequest::add_allowed_methods(response.headers_mut());
    }
    response
}

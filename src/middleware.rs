//! The middleware of the API: request scope, authentication, limits, panics, compression, access log, CORS.
//!
//! It is one function, [`serve`], and not a stack of tower layers: the order matters at every step, and here it can be read.

mod access_log;
mod authentication;
mod catch_panic;
mod client_ip;
mod compression;
mod cors;
mod forwarded_prefix;
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

use cors::CorsRequest;
use request_scope::RequestScope;

use crate::audit::AuditContext;
use crate::auth::Authentication;
use crate::content_coding::Coding;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::resilience::{ByteBudget, RateLimit};

/// What the middleware needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The path that all routes are below, without a slash at its end; `/` for none.
    pub base_path: Arc<str>,
    /// The deadline of a request. Lists extend theirs.
    pub request_timeout: Duration,
    /// How principals are authenticated.
    pub authentication: Authentication,
    /// The metrics that requests are counted in.
    pub metrics: Metrics,
    /// What compressing bodies may hold, besides answers.
    pub memory: ByteBudget,
    /// The tasks that write the access log; a shutdown waits for them.
    pub tasks: TaskTracker,
    /// The rate limit per client address, if there is one.
    pub rate: Option<RateLimit<IpAddr>>,
    /// The proxies whose `X-Forwarded-For` and `X-Forwarded-Prefix` are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The allowed CORS origins, exactly as browsers send them.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether a route needs no credentials; the argument is its template without the base path.
    pub is_public_route: fn(&str) -> bool,
    /// Whether this server itself terminates TLS.
    pub is_tls: bool,
}

/// The router with its middleware.
pub type Inbound = MapResponse<Router, fn(Response) -> Response>;

/// Wraps a router in the middleware.
pub fn apply(router: Router, settings: Settings) -> Inbound {
    let complete_allow: fn(Response) -> Response = complete_allow;
    // Outside of the router, because axum sets `Allow` outside of the layers that are added to a router.
    MapResponse::new(router.layer(from_fn_with_state(Arc::new(settings), serve)), complete_allow)
}

/// The path of a request through the middleware, outermost first.
async fn serve(State(settings): State<Arc<Settings>>, mut request: Request, next: Next) -> Response {
    // The scope comes first and last, so that every request has an id and an access log entry, whatever happens in between.
    let scope = RequestScope::begin(&mut request, &settings);
    // The handler consumes the request, so what the response depends on is read before.
    let coding = Coding::preferred(request.headers());
    let cors = CorsRequest::new(request.method(), request.headers(), &settings.cors_origins);
    let response = match admit(&mut request, &scope, &settings).await {
        Err(problem) => problem.into_response(),
        // `OPTIONS *` is about the server as a whole. It has no path, so the router would answer 404.
        Ok(()) if request.method() == Method::OPTIONS && request.uri().path() == "*" => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => catch_panic::catch(next.run(request)).await,
    };
    // The scope monitors the compressed body: that one is complete only after the encoder has ended its stream.
    let mut response = scope.finish(compression::apply(response, coding, &settings.memory), &settings);
    // Problems need CORS headers too, or a page could not read why its request failed.
    cors.add_headers(&mut response, &settings.cors_origins, settings.is_tls);
    response
}

/// Checks what does not depend on the route, cheapest first. The exception is the head: a client without valid credentials
/// gets 401 and learns nothing else.
async fn admit(request: &mut Request, scope: &RequestScope, settings: &Settings) -> Result<(), Problem> {
    let address = client_ip::resolve(request, &settings.trusted_proxies);
    request_limits::acquire_address_permit(address, settings.rate.as_ref())?;
    if !scope.is_public(settings) {
        let (headers, deadline) = (request.headers(), scope.deadline());
        let principal = authentication::authenticate(&settings.authentication, headers, deadline, &settings.metrics).await?;
        let audit = AuditContext::new(scope.id(), principal, address);
        scope.record_principal(&audit);
        request_limits::acquire_principal_permit(audit.principal())?;
        request.extensions_mut().insert(audit);
    }
    request_limits::check_head(request)
}

/// Adds `OPTIONS` to `Allow`: every route has it, but axum lists only the methods with a handler.
#[expect(clippy::expect_used, reason = "a header value stays one when `,OPTIONS` is appended and spaces are inserted")]
fn complete_allow(mut response: Response) -> Response {
    if let Some(allow) = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok()) {
        let allow = HeaderValue::try_from(format!("{allow},OPTIONS").replace(',', ", ")).expect("a header value");
        response.headers_mut().insert(ALLOW, allow);
        // Only now are the methods of the route known, which a preflight asks for.
        CorsRequest::add_allowed_methods(response.headers_mut());
    }
    response
}

//! The middleware of the API: request scope, authentication, limits, panics, compression, access log, CORS.
//!
//! It is one function, [`Inbound::serve`], and not a stack of tower layers: the order matters at every step, and here it can be
//! read. It is outside of the router and finds the route of a request itself, because each layer that axum puts around a route
//! boxes its future and clones the service within: the two layers that were here took twenty allocations for each request.

mod access_log;
mod authentication;
mod catch_panic;
mod compression;
mod cors;
mod forwarded_prefix;
mod request_limits;
mod request_scope;
mod route_table;

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::{BoxError, Router};
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use tower::Service;

use cors::CorsRequest;
use request_scope::RequestScope;
use route_table::RouteTable;

use crate::audit::AuditContext;
use crate::auth::Authentication;
use crate::client_address;
use crate::content_coding::Coding;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::resilience::{ByteBudget, RateLimit};

pub use access_log::MonitoredBody;

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
    /// The rate limit per client address, if there is one.
    pub rate: Option<RateLimit<IpAddr>>,
    /// The proxies whose `X-Forwarded-For` and `X-Forwarded-Prefix` are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The allowed CORS origins, exactly as browsers send them.
    pub cors_origins: Vec<HeaderValue>,
    /// The templates of the router's routes, without the base path.
    pub routes: Vec<String>,
    /// Whether a route needs no credentials; the argument is its template without the base path.
    pub is_public_route: fn(&str) -> bool,
    /// Whether this server itself terminates TLS.
    pub is_tls: bool,
}

/// The router with its middleware. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbound {
    router: Router,
    stack: Arc<Stack>,
}

/// What all requests share.
#[derive(Debug)]
struct Stack {
    settings: Settings,
    routes: RouteTable,
}

/// Wraps a router in the middleware.
pub fn apply(router: Router, settings: Settings) -> Inbound {
    let table = RouteTable::new(&settings.base_path, &settings.routes, settings.is_public_route);
    Inbound { router, stack: Arc::new(Stack { settings, routes: table }) }
}

impl<B> Service<http::Request<B>> for Inbound
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<MonitoredBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let inbound = self.clone();
        // An empty body needs no box.
        let request = request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(body) });
        Box::pin(async move { Ok(inbound.serve(request).await) })
    }
}

impl Inbound {
    /// The path of a request through the middleware, outermost first.
    async fn serve(mut self, mut request: Request) -> http::Response<MonitoredBody> {
        let settings = &self.stack.settings;
        // The scope comes first and last, so that every request has an id and an access log entry, whatever happens in between.
        let scope = RequestScope::begin(&request, &self.stack);
        // The handler consumes the request, so what the response depends on is read before.
        let (is_head, is_safe) = (request.method() == Method::HEAD, request.method().is_safe());
        let coding = Coding::preferred(request.headers());
        let cors = CorsRequest::new(request.method(), request.headers(), &settings.cors_origins);
        let response = match admit(&mut request, &scope, settings).await {
            Err(problem) => problem.into_response(),
            // `OPTIONS *` is about the server as a whole. It has no path, so the router would answer 404.
            Ok(()) if request.method() == Method::OPTIONS && request.uri().path() == "*" => {
                StatusCode::NO_CONTENT.into_response()
            }
            Ok(()) => catch_panic::catch(is_safe, self.router.call(request)).await,
        };
        // The scope monitors the compressed body: that one is complete only after the encoder has ended its stream.
        let mut response = scope.finish(compression::apply(response, is_head, coding, &settings.memory));
        // Problems need CORS headers too, or a page could not read why its request failed.
        cors.add_headers(response.headers_mut(), &settings.cors_origins, settings.is_tls);
        complete_allow(response.headers_mut());
        response
    }
}

/// Checks what does not depend on the route, cheapest first. The exception is the head: a client without valid credentials
/// gets 401 and learns nothing else.
async fn admit(request: &mut Request, scope: &RequestScope, settings: &Settings) -> Result<(), Problem> {
    let address = client_address::resolve(request, &settings.trusted_proxies);
    request_limits::acquire_address_permit(address, settings.rate.as_ref())?;
    if !scope.is_public {
        let (headers, deadline) = (request.headers(), scope.deadline());
        let principal = authentication::authenticate(&settings.authentication, headers, deadline, &settings.metrics).await?;
        let audit = AuditContext::new(Arc::clone(scope.id()), principal.clone(), address);
        scope.record_principal(audit, request);
        request_limits::acquire_principal_permit(&principal)?;
    }
    request_limits::check_head(request)
}

/// Adds `OPTIONS` to `Allow`: every route has it, but axum lists only the methods with a handler.
#[expect(clippy::expect_used, reason = "a header value stays one when `,OPTIONS` is appended and spaces are inserted")]
fn complete_allow(headers: &mut HeaderMap) {
    if let Some(allow) = headers.get(ALLOW).and_then(|allow| allow.to_str().ok()) {
        let allow = HeaderValue::try_from(format!("{allow},OPTIONS").replace(',', ", ")).expect("a header value");
        headers.insert(ALLOW, allow);
        // Only now are the methods of the route known, which a preflight asks for.
        CorsRequest::add_allowed_methods(headers);
    }
}

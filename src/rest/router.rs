//! All routes, and what their handlers share.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::document;
use super::problem::{Code, Occurrence, Problem};
use super::routes::{
    add_order_message, change_order_status, get_customer, get_order, get_order_status, list_customers, list_order_messages,
    list_orders,
};
use crate::backend::{Backend, Context};
use crate::model::Zone;
use crate::writes::Writes;

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    backend: Arc<dyn Backend>,
    writes: Writes,
    zone: Zone,
    timeouts: Timeouts,
    base_path: Arc<str>,
}

/// The id of a request, which its handler finds in it.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A request that is no list.
    pub request: Duration,
    /// A whole list.
    pub list: Duration,
    /// The body of a request.
    pub body: Duration,
}

impl Gateway {
    /// A gateway to an order system whose times are in `zone`, with all routes below `base_path`.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, writes: Writes, zone: Zone, timeouts: Timeouts, base_path: &str) -> Self {
        Self { backend, writes, zone, timeouts, base_path: base_path.into() }
    }

    pub(super) const fn zone(&self) -> &Zone {
        &self.zone
    }

    pub(super) const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

/// The order system that a request is for, and the request's deadline and record.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) writes: Writes,
    pub(super) zone: Zone,
    pub(super) context: Context,
    list_timeout: Duration,
    base_path: Arc<str>,
    request_id: Arc<str>,
}

impl Asked {
    /// The same request with the time that a list may take.
    pub(super) fn for_list(&self) -> Context {
        self.context.with_deadline(Instant::now() + self.list_timeout)
    }

    /// The name of whoever asks. This version knows no callers.
    #[expect(clippy::unused_self, reason = "who asks is a property of the request")]
    pub(super) const fn client(&self) -> &'static str {
        "anonymous"
    }

    /// What a problem with `path` is told by, when it is part of an answer to this request.
    pub(super) fn occurrence(&self, path: &str) -> Occurrence {
        let instance = format!("{}{path}", self.base_path.trim_end_matches('/'));
        Occurrence { base_path: Arc::clone(&self.base_path), instance, request_id: Arc::clone(&self.request_id) }
    }
}

impl FromRequestParts<Gateway> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<Context>().cloned();
        Ok(Self {
            backend: Arc::clone(&gateway.backend),
            writes: gateway.writes.clone(),
            zone: gateway.zone.clone(),
            context: context.unwrap_or_else(|| Context::within(gateway.timeouts.request)),
            list_timeout: gateway.timeouts.list,
            base_path: Arc::clone(&gateway.base_path),
            request_id: parts.extensions.get::<RequestId>().map_or_else(|| "-".into(), |RequestId(id)| Arc::clone(id)),
        })
    }
}

/// The operations, with their description.
pub(super) fn operations() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_orders::list_orders))
        .routes(routes!(get_order::get_order))
        .routes(routes!(get_order_status::get_order_status, change_order_status::change_order_status))
        .routes(routes!(list_order_messages::list_order_messages, add_order_message::add_order_message))
        .routes(routes!(list_customers::list_customers))
        .routes(routes!(get_customer::get_customer))
}

/// All routes.
pub fn router(gateway: Gateway) -> Router {
    let base_path = Arc::clone(&gateway.base_path);
    let (operations, _) = operations().split_for_parts();
    let routes = operations.with_state(gateway).merge(document::routes(&base_path));
    let all = if &*base_path == "/" {
        routes.route("/", get(|| async { document::to("swagger-ui/") }))
    } else {
        nested(&base_path, routes)
    };
    all.method_not_allowed_fallback(other_method).fallback(no_route)
}

/// Both `/base` and `/base/` lead to the documentation. The router takes them for the same path when it nests, but relative
/// addresses mean different things there.
fn nested(base_path: &str, routes: Router) -> Router {
    let name = base_path.rsplit('/').next().unwrap_or_default();
    let from_base = format!("{name}/swagger-ui/");
    Router::new()
        .nest(base_path, routes)
        .route(base_path, get(move || async move { document::to(&from_base) }))
        .route(&format!("{base_path}/"), get(|| async { document::to("swagger-ui/") }))
}

async fn no_route() -> Problem {
    Problem::new(Code::RouteNotFound, "The gateway has no such path.")
}

/// The header `Allow` is added by the router.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Code::MethodNotAllowed, "The path exists; the header Allow lists its methods.").into_response()
}

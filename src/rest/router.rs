//! All routes, and what their handlers share.

use std::collections::BTreeMap;
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

use super::docs;
use super::problem::{Code, Problem, ProblemContext};
use super::require_scope::require_scope;
use super::routes::{
    add_order_message, change_order_status, get_customer, get_order, get_order_status, list_customers, list_order_messages,
    list_orders,
};
use crate::audit::AuditContext;
use crate::auth::Principal;
use crate::backend::{Backend, RequestContext};
use crate::model::{PiiAccess, Scope, Zone};
use crate::writes::WriteCoordinator;

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// By their names.
    upstreams: Arc<BTreeMap<String, UpstreamHandle>>,
    timeouts: Timeouts,
    base_path: Arc<str>,
}

/// An order system as handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct UpstreamHandle {
    /// Its reads.
    pub backend: Arc<dyn Backend>,
    /// Its writes.
    pub writes: WriteCoordinator,
    /// The zone of its times.
    pub zone: Zone,
}

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

impl AppState {
    /// A gateway to order systems, by their names, with all routes below `base_path`.
    #[must_use]
    pub fn new(order_systems: BTreeMap<String, UpstreamHandle>, timeouts: Timeouts, base_path: &str) -> Self {
        Self { upstreams: Arc::new(order_systems), timeouts, base_path: base_path.into() }
    }

    /// Who makes the request, and the order system that it is for. Nobody is let through by default.
    pub(super) fn resolve<'p>(&self, parts: &'p Parts) -> Result<(&'p AuditContext, &UpstreamHandle), Problem> {
        let audit = parts.extensions.get::<AuditContext>();
        let known = audit.and_then(|audit| Some((audit, self.upstreams.get(audit.caller.upstream())?)));
        known.ok_or_else(|| Problem::new(Code::InternalError, "The request has come without a caller."))
    }

    pub(super) const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

/// Who asks, the order system that a request is for, and the request's deadline and record.
#[derive(Clone)]
pub(super) struct RequestState {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) writes: WriteCoordinator,
    pub(super) zone: Zone,
    /// Who asks.
    pub(super) audit: AuditContext,
    pub(super) context: RequestContext,
    list_timeout: Duration,
    base_path: Arc<str>,
}

impl RequestState {
    /// The same request with the time that a list may take.
    pub(super) fn list_context(&self) -> RequestContext {
        self.context.with_deadline(Instant::now() + self.list_timeout)
    }

    /// Who asks.
    pub(super) const fn principal(&self) -> &Principal {
        &self.audit.caller
    }

    /// What the caller sees of personal data.
    pub(super) fn pii_access(&self) -> PiiAccess {
        self.principal().scopes().pii_access()
    }

    /// What a problem with `path` is told by, when it is part of an answer to this request.
    pub(super) fn problem_context(&self, path: &str) -> ProblemContext {
        let instance = format!("{}{path}", self.base_path.trim_end_matches('/'));
        ProblemContext { base_path: Arc::clone(&self.base_path), instance, request_id: Arc::clone(&self.audit.request_id) }
    }
}

impl FromRequestParts<AppState> for RequestState {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &AppState) -> Result<Self, Problem> {
        let (audit, UpstreamHandle { backend, writes, zone }) = gateway.resolve(parts)?;
        let context = parts.extensions.get::<RequestContext>().cloned();
        Ok(Self {
            backend: Arc::clone(backend),
            writes: writes.clone(),
            zone: zone.clone(),
            audit: audit.clone(),
            context: context.unwrap_or_else(|| RequestContext::within(gateway.timeouts.request)),
            list_timeout: gateway.timeouts.list,
            base_path: Arc::clone(&gateway.base_path),
        })
    }
}

/// The operations, with their description.
pub(super) fn operations() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(require_scope(Scope::OrdersRead, routes!(list_orders::list_orders)))
        .routes(require_scope(Scope::OrdersRead, routes!(get_order::get_order)))
        .routes(require_scope(Scope::OrdersRead, routes!(get_order_status::get_order_status)))
        .routes(require_scope(Scope::OrdersWrite, routes!(change_order_status::change_order_status)))
        .routes(require_scope(Scope::OrdersRead, routes!(list_order_messages::list_order_messages)))
        .routes(require_scope(Scope::OrdersWrite, routes!(add_order_message::add_order_message)))
        .routes(require_scope(Scope::CustomersRead, routes!(list_customers::list_customers)))
        .routes(require_scope(Scope::CustomersRead, routes!(get_customer::get_customer)))
}

/// All routes.
pub fn router(gateway: AppState) -> Router {
    let base_path = Arc::clone(&gateway.base_path);
    let (operations, _) = operations().split_for_parts();
    let routes = operations.with_state(gateway).merge(docs::routes(&base_path));
    let all = if &*base_path == "/" {
        routes.route("/", get(|| async { docs::to("swagger-ui/") }))
    } else {
        nested(&base_path, routes)
    };
    all.method_not_allowed_fallback(method_not_allowed).fallback(route_not_found)
}

/// Both `/base` and `/base/` lead to the documentation. The router takes them for the same path when it nests, but relative
/// addresses mean different things there.
fn nested(base_path: &str, routes: Router) -> Router {
    let name = base_path.rsplit('/').next().unwrap_or_default();
    let from_base = format!("{name}/swagger-ui/");
    Router::new()
        .nest(base_path, routes)
        .route(base_path, get(move || async move { docs::to(&from_base) }))
        .route(&format!("{base_path}/"), get(|| async { docs::to("swagger-ui/") }))
}

async fn route_not_found() -> Problem {
    Problem::new(Code::RouteNotFound, "The gateway has no such path.")
}

/// The header `Allow` is added by the router.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Code::MethodNotAllowed, "The path exists; the header Allow lists its methods.").into_response()
}

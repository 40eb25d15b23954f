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
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Code, Problem};
use super::routes::{
    add_order_message, change_order_status, get_customer, get_order, get_order_status, list_customers, list_order_messages,
    list_orders,
};
use super::{document, openapi};
use crate::backend::{Backend, Context};
use crate::model::Zone;

/// What every handler needs. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    backend: Arc<dyn Backend>,
    zone: Zone,
    limits: Limits,
    writes: TaskTracker,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A request that is no list.
    pub request_timeout: Duration,
    /// A whole list.
    pub list_timeout: Duration,
    /// The body of a request.
    pub body_timeout: Duration,
}

impl Gateway {
    /// A gateway to an order system whose times are in `zone`. Writes go on in `writes` when their clients have left.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, zone: Zone, limits: Limits, writes: TaskTracker) -> Self {
        Self(Arc::new(Shared { backend, zone, limits, writes }))
    }

    pub(super) fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0.backend)
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.0.zone
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Does something to its end even when the client that asked for it goes away: a write that is cut off in the middle
    /// leaves nobody who knows what became of it.
    pub(super) async fn finish<T: Send + 'static>(&self, write: impl Future<Output = T> + Send + 'static) -> T {
        match self.0.writes.spawn(write).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that is going down cancels tasks, and this one with them.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// The deadline and the record of the request that a handler answers.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) context: Context,
}

impl Asked {
    /// The same request with the time that a list may take.
    pub(super) fn for_list(&self, gateway: &Gateway) -> Context {
        self.context.with_deadline(Instant::now() + gateway.limits().list_timeout)
    }
}

impl FromRequestParts<Gateway> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<Context>().cloned();
        Ok(Self { context: context.unwrap_or_else(|| Context::within(gateway.limits().request_timeout)) })
    }
}

/// The operations, with their description.
pub(super) fn operations() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(list_orders::list_orders))
        .routes(routes!(get_order::get_order))
        .routes(routes!(get_order_status::get_order_status, change_order_status::change_order_status))
        .routes(routes!(list_order_messages::list_order_messages, add_order_message::add_order_message))
        .routes(routes!(list_customers::list_customers))
        .routes(routes!(get_customer::get_customer))
}

/// All routes below `base_path`.
pub fn router(gateway: Gateway, base_path: &str) -> Router {
    let (operations, _) = operations().split_for_parts();
    let routes = operations.with_state(gateway).merge(document::routes(base_path));
    let all = if base_path == "/" {
        routes.route("/", get(|| async { document::to("swagger-ui/") }))
    } else {
        nested(base_path, routes)
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

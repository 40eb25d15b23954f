//! The router: operations and documentation below the base path, and what answers everything else.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode};

use super::docs;
use super::routes::operations;
use super::state::AppState;
use crate::problem::{Code, Problem};

/// All routes.
pub fn router(gateway: AppState) -> Router {
    let base_path = Arc::clone(gateway.base_path());
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

//! The router: operations and documentation below the base path, and the fallbacks.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode};

use super::docs;
use super::routes::operations;
use super::state::AppState;
use crate::auth::CredentialKind;
use crate::problem::{Code, Problem};

/// All routes, and their templates without the base path. Clients need credentials of this kind.
pub fn router(state: AppState, credentials: CredentialKind) -> (Router, Vec<String>) {
    let base_path = Arc::clone(state.base_path());
    let settle_time = state.settle_time_seconds();
    let (operations, scopes) = operations();
    let mut templates: Vec<String> = scopes.routes().chain(docs::ROUTES).map(str::to_owned).collect();
    templates.sort_unstable();
    templates.dedup();
    let (operations, _) = operations.split_for_parts();
    let routes = operations.with_state(state.with_scopes(scopes)).merge(docs::routes(&base_path, settle_time, credentials));
    let all = if &*base_path == "/" {
        routes.route("/", get(|| async { docs::redirect("swagger-ui/") }))
    } else {
        nest(&base_path, routes)
    };
    (all.method_not_allowed_fallback(method_not_allowed).fallback(route_not_found), templates)
}

/// Nests the routes, and redirects both `/base` and `/base/` to the documentation. These need routes of their own: axum nests
/// them as one path, but the browser resolves a relative `Location` differently for each.
fn nest(base_path: &str, routes: Router) -> Router {
    let last_segment = base_path.rsplit('/').next().unwrap_or_default();
    let from_base = format!("{last_segment}/swagger-ui/");
    Router::new()
        .nest(base_path, routes)
        .route(base_path, get(move || async move { docs::redirect(&from_base) }))
        .route(&format!("{base_path}/"), get(|| async { docs::redirect("swagger-ui/") }))
}

async fn route_not_found() -> Problem {
    Problem::new(Code::RouteNotFound, "The gateway has no route with this path.")
}

/// The response of a route to a method that it does not have. The router adds the header `Allow`.
pub async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Code::MethodNotAllowed, "The route does not support this method; the header Allow lists those it does.")
        .into_response()
}

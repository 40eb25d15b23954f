//! The documentation routes: the OpenAPI document, Swagger UI, problem pages.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawPathParams, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::HeaderMap;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use utoipa::openapi::extensions::Extensions;
use utoipa_swagger_ui::Config;

use super::extract::ProblemPath;
use super::{conditional, etag, openapi};
use crate::problem::{Code, Problem, page};

#[derive(Clone)]
struct Documents {
    json: Bytes,
    yaml: Bytes,
    swagger_ui: Arc<Config<'static>>,
}

/// The documentation routes of a gateway whose public base path is `base_path`. The document states how long a write may be in
/// doubt where that is the same for every client, because there is one upstream.
pub(super) fn routes(base_path: &str, settle_time_seconds: Option<u64>) -> Router {
    // Without a base path the gateway does not know what a proxy strips, so the server is where the document is.
    let mut document = openapi::document(if base_path == "/" { "." } else { base_path });
    document.extensions = settle_time_seconds.map(|seconds| Extensions::from_iter([("x-settle-time-seconds", seconds)]));
    let documents = Documents {
        json: openapi::to_json(&document).into(),
        yaml: openapi::to_yaml(&document).into(),
        // A relative URL works below every base path and behind every proxy.
        swagger_ui: Arc::new(
            Config::from("../openapi.json")
                .validator_url("none")
                .use_base_layout()
                .default_model_expand_depth(3)
                .default_models_expand_depth(0),
        ),
    };
    let [json_path, yaml_path, ui_redirect, ui, ui_file, problem_page] = ROUTES;
    Router::new()
        .route(json_path, get(json))
        .route(yaml_path, get(yaml))
        .route(ui_redirect, get(|| async { redirect("swagger-ui/") }))
        .route(ui, get(swagger_ui))
        .route(ui_file, get(swagger_ui))
        .route(problem_page, get(problem))
        .with_state(documents)
}

const ROUTES: [&str; 6] =
    ["/openapi.json", "/openapi.yaml", "/swagger-ui", "/swagger-ui/", "/swagger-ui/{*file}", "/problems/{code}"];

/// Swagger UI loads its own files and calls this server only. Its images are `data:` URLs in its style sheet.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                         base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A problem page loads its icon only.
const PAGE_POLICY: &str = "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether a route needs no credential: documentation and the redirects to it. `route` is the template without the base path.
#[must_use]
pub fn is_public(route: &str) -> bool {
    matches!(route, "" | "/") || ROUTES.contains(&route)
}

/// A redirect to a relative path, which works below every base path and behind every proxy.
pub(super) fn redirect(path: &str) -> Redirect {
    Redirect::temporary(path)
}

async fn json(State(documents): State<Documents>, headers: HeaderMap) -> Response {
    conditional::respond(&headers, etag::of_body(&documents.json), "application/json", documents.json)
}

async fn yaml(State(documents): State<Documents>, headers: HeaderMap) -> Response {
    conditional::respond(&headers, etag::of_body(&documents.yaml), "application/yaml", documents.yaml)
}

async fn swagger_ui(State(documents): State<Documents>, path: RawPathParams) -> Result<Response, Problem> {
    let file = path.iter().next().map_or("", |(_, file)| file);
    match utoipa_swagger_ui::serve(file, documents.swagger_ui) {
        Ok(Some(file)) => {
            let headers = [(CONTENT_TYPE, file.content_type.as_str()), (CONTENT_SECURITY_POLICY, UI_POLICY)];
            Ok((headers, file.bytes.into_owned()).into_response())
        }
        Ok(None) => Err(Problem::new(Code::RouteNotFound, "Swagger UI has no file with this name.")),
        Err(_) => Err(Problem::new(Code::InternalError, "The configuration of Swagger UI cannot be serialized.")),
    }
}

async fn problem(path: ProblemPath) -> Result<Response, Problem> {
    let code = Code::parse(&path.code).ok_or_else(|| Problem::new(Code::ProblemNotFound, "No problem has this code."))?;
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, PAGE_POLICY)], page(code)).into_response())
}

//! The documentation routes: the OpenAPI document, Swagger UI, problem pages.

mod document;
mod swagger_ui;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{RawPathParams, State};
use axum::response::{Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue};
use utoipa::openapi::OpenApi;
use utoipa::openapi::extensions::Extensions;

use document::Document;
use swagger_ui::SwaggerUi;

use super::extract::ProblemPath;
use super::openapi;
use crate::problem::{Code, Problem, page};

#[derive(Clone)]
struct Documents {
    json: Arc<Spec>,
    yaml: Arc<Spec>,
    swagger_ui: Arc<SwaggerUi>,
}

/// The OpenAPI document in one format, made at the first request: most gateways are never asked for it, and it takes a megabyte.
struct Spec {
    /// The public base path of the gateway.
    base_path: Box<str>,
    settle_time_seconds: Option<u64>,
    content_type: &'static str,
    format: fn(&OpenApi) -> String,
    document: OnceLock<Arc<Document>>,
}

impl Spec {
    async fn respond(&self, headers: &HeaderMap) -> Response {
        self.document.get_or_init(|| Arc::new(self.make())).respond(headers).await
    }

    fn make(&self) -> Document {
        // Without a base path the gateway does not know what a proxy strips, so the server is where the document is.
        let mut document = openapi::document(if &*self.base_path == "/" { "." } else { &self.base_path });
        let seconds = self.settle_time_seconds;
        document.extensions = seconds.map(|seconds| Extensions::from_iter([("x-settle-time-seconds", seconds)]));
        Document::new(HeaderValue::from_static(self.content_type), SPEC_CACHING, (self.format)(&document).into())
    }
}

/// The documentation routes of a gateway whose public base path is `base_path`. The document states how long a write may be in
/// doubt where that is the same for every client, because there is one upstream.
pub(super) fn routes(base_path: &str, settle_time_seconds: Option<u64>) -> Router {
    let spec = |content_type, format| {
        let base_path = base_path.into();
        Arc::new(Spec { base_path, settle_time_seconds, content_type, format, document: OnceLock::new() })
    };
    let documents = Documents {
        json: spec("application/json", openapi::to_json),
        yaml: spec("application/yaml", openapi::to_yaml),
        swagger_ui: Arc::default(),
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

/// The templates of the documentation routes.
pub(super) const ROUTES: [&str; 6] =
    ["/openapi.json", "/openapi.yaml", "/swagger-ui", "/swagger-ui/", "/swagger-ui/{*file}", "/problems/{code}"];

/// Clients have to check each time: a new version of the gateway may have another document.
const SPEC_CACHING: &str = "private, no-cache";
/// For an hour, and not longer: the paths are the same in all versions of the gateway.
const ASSET_CACHING: &str = "public, max-age=3600";
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
    documents.json.respond(&headers).await
}

async fn yaml(State(documents): State<Documents>, headers: HeaderMap) -> Response {
    documents.yaml.respond(&headers).await
}

async fn swagger_ui(State(documents): State<Documents>, path: RawPathParams, headers: HeaderMap) -> Result<Response, Problem> {
    let file = path.iter().next().map_or("", |(_, file)| file);
    Ok(documents.swagger_ui.file(file)?.respond(&headers).await)
}

async fn problem(path: ProblemPath, headers: HeaderMap) -> Result<Response, Problem> {
    let code = Code::parse(&path.code).ok_or_else(|| Problem::new(Code::ProblemNotFound, "No problem has this code."))?;
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let page = Document::new(content_type, ASSET_CACHING, page(code).into()).with_policy(PAGE_POLICY);
    Ok(Arc::new(page).respond(&headers).await)
}

//! The documentation routes: the OpenAPI document, Swagger UI, the API guide, problem pages.

mod assets;
mod document;
mod guide;
mod page;
mod problem_pages;
mod template;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{RawPathParams, State};
use axum::response::{Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue};
use utoipa::openapi::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::external_docs::ExternalDocsBuilder;

use assets::Assets;
use document::Document;

use super::extract::ProblemPath;
use super::openapi::{self, security};
use crate::auth::CredentialKind;
use crate::problem::{Code, Problem};

#[derive(Clone)]
struct Documents {
    json: Arc<Spec>,
    yaml: Arc<Spec>,
    pages: Arc<Pages>,
}

/// The pages, each made at its first request.
#[derive(Default)]
struct Pages {
    assets: Assets,
    swagger_ui: OnceLock<Arc<Document>>,
    guide: OnceLock<Arc<Document>>,
    problem_index: OnceLock<Arc<Document>>,
}

/// The OpenAPI document in one format, made at the first request: most gateways are never asked for it, and it takes a megabyte.
struct Spec {
    /// The public base path of the gateway.
    base_path: Box<str>,
    settle_time_seconds: Option<u64>,
    credentials: CredentialKind,
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
        security::restrict(&mut document, self.credentials);
        // Relative to the document. The printed document has no URL for it.
        let guide = ExternalDocsBuilder::new().url("docs/").description(Some("API guide"));
        document.external_docs = Some(guide.build());
        let seconds = self.settle_time_seconds;
        document.extensions = seconds.map(|seconds| Extensions::from_iter([("x-settle-time-seconds", seconds)]));
        Document::new(HeaderValue::from_static(self.content_type), REVALIDATED, (self.format)(&document).into())
    }
}

/// The documentation routes of a gateway whose public base path is `base_path`. The document states how long a write may be in
/// doubt where that is the same for every client, because there is one upstream.
pub(super) fn routes(base_path: &str, settle_time_seconds: Option<u64>, credentials: CredentialKind) -> Router {
    let spec = |content_type, format| {
        let base_path = base_path.into();
        Arc::new(Spec { base_path, settle_time_seconds, credentials, content_type, format, document: OnceLock::new() })
    };
    let documents = Documents {
        json: spec("application/json", openapi::to_json),
        yaml: spec("application/yaml", openapi::to_yaml),
        pages: Arc::default(),
    };
    let [json_path, yaml_path, ui_redirect, ui, ui_file, guide_redirect, guide_page, index_redirect, index, problem_page] =
        ROUTES;
    Router::new()
        .route(json_path, get(json))
        .route(yaml_path, get(yaml))
        .route(ui_redirect, get(|| async { redirect("swagger-ui/") }))
        .route(ui, get(swagger_ui))
        .route(ui_file, get(swagger_ui_file))
        .route(guide_redirect, get(|| async { redirect("docs/") }))
        .route(guide_page, get(guide))
        .route(index_redirect, get(|| async { redirect("problems/") }))
        .route(index, get(problem_index))
        .route(problem_page, get(problem))
        .with_state(documents)
}

/// The templates of the documentation routes.
pub(super) const ROUTES: [&str; 10] = [
    "/openapi.json",
    "/openapi.yaml",
    "/swagger-ui",
    "/swagger-ui/",
    "/swagger-ui/{*file}",
    "/docs",
    "/docs/",
    "/problems",
    "/problems/",
    "/problems/{code}",
];

/// Clients have to check each time: a new version of the gateway may have another document.
const REVALIDATED: &str = "private, no-cache";
/// For an hour, and not longer: the paths are the same in all versions of the gateway.
const ASSET_CACHING: &str = "public, max-age=3600";
/// Swagger UI loads its own files and calls this server only. Its images are `data:` URLs in its style sheet.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                         base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The other pages load their style sheet and their icon.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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

async fn swagger_ui(State(documents): State<Documents>, headers: HeaderMap) -> Response {
    let Pages { assets, swagger_ui, .. } = &*documents.pages;
    let make = || html(page::swagger_ui(assets, &openapi::document("/").info.title), REVALIDATED, UI_POLICY);
    swagger_ui.get_or_init(make).respond(&headers).await
}

async fn swagger_ui_file(
    State(documents): State<Documents>,
    path: RawPathParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = path.iter().next().map_or("", |(_, file)| file);
    if file == "index.html" {
        return Ok(swagger_ui(State(documents), headers).await);
    }
    documents.pages.assets.respond(file, &headers).await
}

async fn guide(State(documents): State<Documents>, headers: HeaderMap) -> Response {
    let Pages { assets, guide, .. } = &*documents.pages;
    guide.get_or_init(|| html(guide::page(assets), REVALIDATED, PAGE_POLICY)).respond(&headers).await
}

async fn problem_index(State(documents): State<Documents>, headers: HeaderMap) -> Response {
    let Pages { assets, problem_index, .. } = &*documents.pages;
    problem_index.get_or_init(|| html(problem_pages::index(assets), ASSET_CACHING, PAGE_POLICY)).respond(&headers).await
}

async fn problem(State(documents): State<Documents>, path: ProblemPath, headers: HeaderMap) -> Result<Response, Problem> {
    let code = Code::parse(&path.code).ok_or_else(|| Problem::new(Code::ProblemNotFound, "No problem has this code."))?;
    let page = problem_pages::page(&documents.pages.assets, code);
    Ok(html(page, ASSET_CACHING, PAGE_POLICY).respond(&headers).await)
}

fn html(page: String, caching: &'static str, policy: &'static str) -> Arc<Document> {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    Arc::new(Document::new(content_type, caching, page.into()).compressible().with_policy(policy))
}

//! The files that the documentation pages load, all part of the program: Swagger UI's, and the gateway's own beside them.
//!
//! Pages refer to a file by a path with the hash of its content, such as `3b9f…/swagger-ui.css`, which browsers cache for a
//! year. The same files are at paths without a hash, for pages and links from elsewhere.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use utoipa_swagger_ui::Config;

use super::document::Document;
use super::{ASSET_CACHING, REVALIDATED, UI_POLICY, template};
use crate::problem::{Code, Problem};

/// For a path that changes with the content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The script that starts Swagger UI, in place of Swagger UI's own file with this name.
pub(super) const INITIALIZER: &str = "swagger-initializer.js";

/// The files that have been requested so far, so that each is hashed and compressed once.
#[derive(Default)]
pub(super) struct Assets {
    files: Mutex<HashMap<String, Asset>>,
}

#[derive(Clone)]
struct Asset {
    hash: Arc<str>,
    document: Arc<Document>,
}

impl Assets {
    /// The path of a file, relative to the directory of all files. Empty if there is no file with this name.
    pub(super) fn path(&self, name: &str) -> String {
        self.find(name).map_or_else(|_| String::new(), |asset| format!("{}/{name}", asset.hash))
    }

    /// Responds to a request for a path: the name of a file, with or without a hash before it.
    pub(super) async fn respond(&self, path: &str, request: &HeaderMap) -> Result<Response, Problem> {
        let (hash, name) = path.split_once('/').map_or((None, path), |(hash, name)| (Some(hash), name));
        let asset = self.find(name)?;
        let mut response = asset.document.respond(request).await;
        match hash {
            None => {}
            Some(hash) if *hash == *asset.hash => drop(response.headers_mut().insert(CACHE_CONTROL, IMMUTABLE)),
            // A page of another version asks, while replicas are being replaced. This file is what there is, but not for long.
            Some(_) => drop(response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(REVALIDATED))),
        }
        Ok(response)
    }

    fn find(&self, name: &str) -> Result<Asset, Problem> {
        let mut files = self.files.lock();
        if let Some(asset) = files.get(name) {
            return Ok(asset.clone());
        }
        let (content_type, body) = read(name)?;
        let mut hash = hex::encode(digest(&SHA256, &body));
        hash.truncate(16);
        // The script depends on the configuration of this version.
        let caching = if name == INITIALIZER { REVALIDATED } else { ASSET_CACHING };
        let document = Document::new(content_type, caching, body).compressible().with_policy(UI_POLICY);
        let asset = Asset { hash: hash.into(), document: Arc::new(document) };
        // Only files that exist get here, so their number is bounded.
        files.insert(name.to_owned(), asset.clone());
        Ok(asset)
    }
}

/// The media type and the content of a file.
fn read(name: &str) -> Result<(HeaderValue, Bytes), Problem> {
    let own: &'static str = match name {
        "pages.css" => include_str!("assets/pages.css"),
        "swagger-ui-changes.css" => include_str!("assets/swagger-ui-changes.css"),
        INITIALIZER => return Ok((HeaderValue::from_static("text/javascript"), initializer()?.into())),
        _ => return read_swagger_ui(name),
    };
    Ok((HeaderValue::from_static("text/css"), Bytes::from_static(own.as_bytes())))
}

fn read_swagger_ui(name: &str) -> Result<(HeaderValue, Bytes), Problem> {
    let no_such_file = || Problem::new(Code::RouteNotFound, "Swagger UI has no file with this name.");
    // The page is not an asset, and utoipa returns it for the empty name too.
    if name.is_empty() || name == "index.html" {
        return Err(no_such_file());
    }
    let file = utoipa_swagger_ui::serve(name, Arc::new(config())).ok().flatten().ok_or_else(no_such_file)?;
    let content_type = HeaderValue::from_str(&file.content_type)
        .map_err(|_| Problem::new(Code::InternalError, "The media type of the file is not valid."))?;
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok((content_type, body))
}

fn initializer() -> Result<String, Problem> {
    let config = serde_json::to_string(&config())
        .map_err(|_| Problem::new(Code::InternalError, "The configuration of Swagger UI cannot be serialized."))?;
    Ok(template::fill(include_str!("assets/swagger-initializer.js"), |_| Cow::Borrowed(config.as_str())))
}

fn config() -> Config<'static> {
    // A relative URL works below every base path and behind every proxy.
    Config::from("../openapi.json")
        .dom_id("#swagger-ui")
        .validator_url("none")
        .use_base_layout()
        .deep_linking(true)
        .filter(true)
        .doc_expansion("list")
        .persist_authorization(true)
        .try_it_out_enabled(true)
        .display_request_duration(true)
        .default_model_expand_depth(3)
        .default_models_expand_depth(0)
}

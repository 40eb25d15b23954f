//! The files of Swagger UI, which are part of the program.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;
use utoipa_swagger_ui::Config;

use super::document::Document;
use super::{ASSET_CACHING, SPEC_CACHING, UI_POLICY};
use crate::problem::{Code, Problem};

/// The files that have been requested so far, so that each is hashed and compressed once.
pub(super) struct SwaggerUi {
    config: Arc<Config<'static>>,
    files: Mutex<HashMap<String, Arc<Document>>>,
}

impl Default for SwaggerUi {
    fn default() -> Self {
        // A relative URL works below every base path and behind every proxy.
        let config = Config::from("../openapi.json")
            .validator_url("none")
            .use_base_layout()
            .default_model_expand_depth(3)
            .default_models_expand_depth(0);
        Self { config: Arc::new(config), files: Mutex::default() }
    }
}

impl SwaggerUi {
    /// The file with this name; the empty name is the page itself.
    pub(super) fn file(&self, name: &str) -> Result<Arc<Document>, Problem> {
        let mut files = self.files.lock();
        if let Some(file) = files.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = match utoipa_swagger_ui::serve(name, Arc::clone(&self.config)) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(Problem::new(Code::RouteNotFound, "Swagger UI has no file with this name.")),
            Err(_) => return Err(Problem::new(Code::InternalError, "The configuration of Swagger UI cannot be serialized.")),
        };
        let content_type = HeaderValue::from_str(&file.content_type)
            .map_err(|_| Problem::new(Code::InternalError, "The media type of the file is not valid."))?;
        let body = match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        // These two are small, and depend on the version and the configuration of the gateway.
        let caching = if matches!(name, "" | "index.html" | "swagger-initializer.js") { SPEC_CACHING } else { ASSET_CACHING };
        let document = Arc::new(Document::new(content_type, caching, body).compressible().with_policy(UI_POLICY));
        // Only files that exist get here, so their number is bounded.
        files.insert(name.to_owned(), Arc::clone(&document));
        Ok(document)
    }
}

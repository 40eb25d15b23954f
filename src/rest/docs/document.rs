//! A document that does not change while the gateway runs: every response shares its bytes, and it is compressed once.
//!
//! Anyone may fetch these documents, without a credential. So a response must cost next to nothing, even when its client does
//! not read it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, VARY};
use http::{HeaderMap, StatusCode};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::content_coding::{self, Coding};
use crate::rest::etag;

/// A document in all codings.
#[derive(Debug)]
pub(super) struct Document {
    content_type: HeaderValue,
    cache_control: HeaderValue,
    /// `Content-Security-Policy`, unless it is the one of every response.
    policy: Option<HeaderValue>,
    identity: Representation,
    is_compressible: bool,
    /// Filled at the first request for the coding. `None` if it could not be compressed.
    compressed: [OnceCell<Option<Representation>>; Coding::ALL.len()],
}

/// The bytes of a document in one coding, and the ETag that stands for exactly these.
#[derive(Debug, Clone)]
struct Representation {
    body: Bytes,
    etag: ETag,
}

impl Representation {
    fn new(body: Bytes) -> Self {
        Self { etag: etag::of_body(&body), body }
    }
}

impl Document {
    pub(super) fn new(content_type: HeaderValue, cache_control: &'static str, body: Bytes) -> Self {
        Self {
            content_type,
            cache_control: HeaderValue::from_static(cache_control),
            policy: None,
            identity: Representation::new(body),
            is_compressible: false,
            compressed: Default::default(),
        }
    }

    /// Offers the document in all codings, if it is worth it.
    pub(super) fn compressible(mut self) -> Self {
        self.is_compressible = content_coding::is_worthwhile(&self.content_type, self.identity.body.len() as u64);
        self
    }

    pub(super) fn with_policy(self, policy: &'static str) -> Self {
        Self { policy: Some(HeaderValue::from_static(policy)), ..self }
    }

    /// Responds in the coding that the client prefers, or with 304.
    pub(super) async fn respond(self: &Arc<Self>, request: &HeaderMap) -> Response {
        let coding = Coding::preferred(request).filter(|_| self.is_compressible);
        let compressed = match coding {
            Some(coding) => self.compressed(coding).await.map(|representation| (representation, Some(coding))),
            None => None,
        };
        let (Representation { body, etag }, coding) = compressed.unwrap_or((&self.identity, None));
        let mut response = if etag::is_not_modified(request, etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = body.clone().into_response();
            response.headers_mut().insert(CONTENT_TYPE, self.content_type.clone());
            if let Some(coding) = coding {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            }
            response
        };
        let headers = response.headers_mut();
        headers.typed_insert(etag.clone());
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        if self.is_compressible {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if let Some(policy) = &self.policy {
            headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }

    async fn compressed(self: &Arc<Self>, coding: Coding) -> Option<&Representation> {
        let cell = self.compressed.get(coding as usize)?;
        if !cell.initialized() {
            // In a task of its own, so that clients that disconnect early do not make it begin again each time.
            let document = Arc::clone(self);
            let _ = tokio::spawn(async move { document.compress(coding).await }).await;
        }
        cell.get()?.as_ref()
    }

    async fn compress(&self, coding: Coding) {
        let Some(cell) = self.compressed.get(coding as usize) else { return };
        let body = self.identity.body.clone();
        let compress = async move { spawn_blocking(move || coding.compress(&body).ok().map(Representation::new)).await };
        cell.get_or_init(|| async { compress.await.ok().flatten() }).await;
    }
}

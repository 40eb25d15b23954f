//! The headers of a request.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

/// The headers, moved out of the request, so this is the last argument of a handler. `HeaderMap` as an extractor copies them.
#[derive(Debug)]
pub(in crate::rest) struct RequestHeaders(pub(in crate::rest) HeaderMap);

impl<S: Sync> FromRequestParts<S> for RequestHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(std::mem::take(&mut parts.headers)))
    }
}

//! Content negotiation, before anything is sent upstream.

use axum::extract::FromRequestParts;
use http::Method;
use http::request::Parts;

use super::media_type::{accepts_json, list_format};
use crate::problem::{Code, Problem};
use crate::rest::list::ListFormat;

/// The client accepts JSON.
#[derive(Debug)]
pub(in crate::rest) struct AcceptsJson;

impl<S: Sync> FromRequestParts<S> for AcceptsJson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if accepts_json(&parts.headers) {
            return Ok(Self);
        }
        Err(Problem::new(Code::NotAcceptable, "This route returns application/json, which Accept excludes."))
    }
}

/// The client accepts lists in this format.
#[derive(Debug, Clone, Copy)]
pub(in crate::rest) struct AcceptsList {
    pub(in crate::rest) format: ListFormat,
    /// Whether the request is `HEAD`.
    pub(in crate::rest) is_head: bool,
}

impl<S: Sync> FromRequestParts<S> for AcceptsList {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let detail = "This route returns application/json and application/x-ndjson, which Accept excludes.";
        let format = list_format(&parts.headers).ok_or_else(|| Problem::new(Code::NotAcceptable, detail))?;
        Ok(Self { format, is_head: parts.method == Method::HEAD })
    }
}

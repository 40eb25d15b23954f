//! Negotiation, before anything is sent.

use axum::extract::FromRequestParts;
use http::Method;
use http::request::Parts;

use super::media_type::{accepts_json, list_format};
use crate::problem::{Code, Problem};
use crate::rest::list::ListFormat;

/// A client that takes JSON.
#[derive(Debug)]
pub(in crate::rest) struct AcceptsJson;

impl<S: Sync> FromRequestParts<S> for AcceptsJson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if accepts_json(&parts.headers) {
            return Ok(Self);
        }
        Err(Problem::new(Code::NotAcceptable, "This route answers application/json, which Accept leaves out."))
    }
}

/// A client that takes lists, and how.
#[derive(Debug, Clone, Copy)]
pub(in crate::rest) struct AcceptsList {
    pub(in crate::rest) form: ListFormat,
    /// Whether only the head of the answer is wanted.
    pub(in crate::rest) is_head: bool,
}

impl<S: Sync> FromRequestParts<S> for AcceptsList {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let detail = "This route answers application/json and application/x-ndjson, which Accept leaves out.";
        let form = list_format(&parts.headers).ok_or_else(|| Problem::new(Code::NotAcceptable, detail))?;
        Ok(Self { form, is_head: parts.method == Method::HEAD })
    }
}

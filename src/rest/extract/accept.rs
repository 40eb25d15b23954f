//! Negotiation, before anything is sent.

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::rest::negotiate::accepts_json;
use crate::rest::problem::{Code, Problem};

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

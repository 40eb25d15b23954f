//! Headers that ask for a guarantee.

use axum::extract::FromRequestParts;
use http::header::{HeaderName, IF_MATCH};
use http::request::Parts;

use crate::rest::problem::{FieldError, Problem};

/// A write that asks for no guarantee beyond being sent once. A guarantee that cannot be given is refused: to ignore the
/// header would be to write as if it had been kept.
#[derive(Debug)]
pub(in crate::rest) struct NoPrecondition;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl<S: Sync> FromRequestParts<S> for NoPrecondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // On a change of status a repetition ends in the same status, so a key promises nothing there.
        let is_post = parts.method == http::Method::POST;
        let guarantees = [("If-Match", IF_MATCH, true), ("Idempotency-Key", IDEMPOTENCY_KEY, is_post)];
        let asked: Vec<_> = guarantees
            .into_iter()
            .filter(|(_, header, matters)| *matters && parts.headers.contains_key(header))
            .map(|(name, ..)| FieldError::parameter(name, "is not supported by this version, so its guarantee cannot be given"))
            .collect();
        if asked.is_empty() { Ok(Self) } else { Err(Problem::parameters(asked)) }
    }
}

//! Headers that ask for a guarantee. One that cannot be given is refused: to ignore the header would be to write as if it had
//! been kept.

use axum::extract::FromRequestParts;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use utoipa::IntoParams;

use crate::idempotency::IdempotencyKey;
use crate::problem::{FieldError, Problem};
use crate::rest::etag::Condition;

/// Only if the order is still as it was seen.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::rest) struct IfMatch {
    /// `ETag` of `GET /orders/{id}/status`: the write is sent only if the status, and time and type of every row in the log, are
    /// those that it stands for. A list of tags, or `*` for any. The order system cannot do this in one step, so another writer
    /// in the moment between the look and the write is not excluded.
    #[param(rename = "If-Match", value_type = String, required = false)]
    pub(in crate::rest) condition: Option<Condition>,
}

/// Only if it was not done before.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::rest) struct IdempotencyKeyHeader {
    /// 16 to 128 letters, digits or `._~-`, new for each message and the same when it is sent again: the message is added if
    /// the log does not have it yet. It is known there by a mark of 21 characters before its text, which answers show as
    /// `reference`.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, pattern = r#"^"?[A-Za-z0-9._~-]{16,128}"?$"#)]
    pub(in crate::rest) key: Option<IdempotencyKey>,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        refuse_if_none_match(parts, "is not supported here: to change an order that is as you saw it, use If-Match")?;
        let mut values = parts.headers.get_all(IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self { condition: None });
        }
        let condition = Condition::parse(values)
            .ok_or_else(|| fault("If-Match", "must be * or entity tags with quotes around each and commas between them"))?;
        Ok(Self { condition: Some(condition) })
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKeyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(IF_MATCH) {
            return Err(fault("If-Match", "is not supported here: a message can be added to an order in any state"));
        }
        refuse_if_none_match(parts, "is not supported here: to add a message that is not there yet, use Idempotency-Key")?;
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self { key: None }) };
        if values.next().is_some() {
            return Err(fault("Idempotency-Key", "must not be repeated"));
        }
        let key = IdempotencyKey::parse(value.to_str().unwrap_or_default());
        key.map(|key| Self { key: Some(key) }).map_err(|error| fault("Idempotency-Key", &error.to_string()))
    }
}

fn refuse_if_none_match(parts: &Parts, why: &str) -> Result<(), Problem> {
    if parts.headers.contains_key(IF_NONE_MATCH) { Err(fault("If-None-Match", why)) } else { Ok(()) }
}

fn fault(header: &'static str, what: &str) -> Problem {
    Problem::parameters(vec![FieldError::parameter(header, what.to_owned())])
}

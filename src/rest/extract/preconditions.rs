//! Headers that request a guarantee for a write. One that this route cannot give is rejected: ignoring the header would mean
//! writing without the guarantee that the client relies on.

use axum::extract::FromRequestParts;
use headers::IfMatch;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use utoipa::IntoParams;

use crate::idempotency::IdempotencyKey;
use crate::problem::{FieldError, Problem};
use crate::rest::etag;

/// Write only if the order is unchanged.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::rest) struct IfMatchHeader {
    /// `ETag` of `GET /orders/{id}/status` or of an earlier change, or `statusTag` of an order. The write is sent only if the
    /// status, and the time and type of every log entry, are unchanged since then. A list of entity tags, or `*` for any state.
    /// The upstream cannot compare and write in one step: a change by another writer between the gateway's read and its write is
    /// not prevented.
    #[param(
        rename = "If-Match",
        value_type = String,
        required = false,
        pattern = r#"^(\*|[\t ,]*(W/)?"[!#-~]*"([\t ]*,[\t ,]*(W/)?"[!#-~]*")*([\t ]*,[\t ,]*)?)$"#
    )]
    pub(in crate::rest) condition: Option<IfMatch>,
}

/// Write only if it was not done before.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::rest) struct IdempotencyKeyHeader {
    /// 16 to 128 letters, digits or `._~-`: a new key for each message, and the same key when the message is sent again. The
    /// message is added only if the log does not contain it. The gateway recognises it by a marker of 21 characters before the
    /// text, part of which responses show as `reference`.
    #[param(
        rename = "Idempotency-Key",
        value_type = String,
        required = false,
        pattern = r#"^([A-Za-z0-9._~-]{16,128}|"[A-Za-z0-9._~-]{16,128}")$"#
    )]
    pub(in crate::rest) key: Option<IdempotencyKey>,
}

/// Read only if the client has another representation. What is not an entity tag is ignored, so it is no extractor.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the documentation is used: `etag::is_not_modified` reads the header")]
pub(in crate::rest) struct IfNoneMatchHeader {
    /// `ETag` of an earlier response, or a list of them: 304 without a body if one is still the present one.
    #[param(rename = "If-None-Match", value_type = String, required = false)]
    etags: String,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl<S: Sync> FromRequestParts<S> for IfMatchHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        reject_if_none_match(parts, "is not supported here; use If-Match to change an order only if it is unchanged")?;
        let values: Vec<_> = parts.headers.get_all(IF_MATCH).iter().collect();
        if values.is_empty() {
            return Ok(Self { condition: None });
        }
        let condition = etag::parse_if_match(&values)
            .ok_or_else(|| fault("If-Match", "must be * or a comma-separated list of quoted ETags"))?;
        Ok(Self { condition: Some(condition) })
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKeyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(IF_MATCH) {
            return Err(fault("If-Match", "is not supported here; a message can be added to an order in any state"));
        }
        reject_if_none_match(parts, "is not supported here; use Idempotency-Key to add a message only once")?;
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self { key: None }) };
        if values.next().is_some() {
            return Err(fault("Idempotency-Key", "must not be repeated"));
        }
        let key = IdempotencyKey::parse(value.to_str().unwrap_or_default());
        key.map(|key| Self { key: Some(key) }).map_err(|error| fault("Idempotency-Key", &error.to_string()))
    }
}

fn reject_if_none_match(parts: &Parts, detail: &str) -> Result<(), Problem> {
    if parts.headers.contains_key(IF_NONE_MATCH) { Err(fault("If-None-Match", detail)) } else { Ok(()) }
}

fn fault(header: &'static str, detail: &str) -> Problem {
    Problem::parameters(vec![FieldError::parameter(header, detail.to_owned())])
}

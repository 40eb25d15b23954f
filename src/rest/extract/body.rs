//! Request bodies.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::json_object::JsonObject;
use crate::problem::{Code, Problem};
use crate::request::RequestInfo;
use crate::request_body::{BodyError, MAX_BODY};
use crate::rest::state::AppState;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// A JSON object in a body of type `application/json`.
#[derive(Debug)]
pub(in crate::rest) struct JsonBody(pub(in crate::rest) JsonObject);

/// A JSON object in a body of type `application/merge-patch+json` or `application/json`.
#[derive(Debug)]
pub(in crate::rest) struct MergePatchBody(pub(in crate::rest) JsonObject);

impl FromRequest<AppState> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Problem> {
        check_media_type(request.headers(), &[JSON])?;
        JsonObject::parse(&read(request, app).await?).map(Self)
    }
}

impl FromRequest<AppState> for MergePatchBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Problem> {
        check_media_type(request.headers(), &[JSON, MERGE_PATCH]).map_err(|problem| {
            problem.with_header(ACCEPT_PATCH, HeaderValue::from_static("application/merge-patch+json, application/json"))
        })?;
        JsonObject::parse(&read(request, app).await?).map(Self)
    }
}

fn check_media_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Problem> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (value, repeated) = (values.next().and_then(|value| value.to_str().ok()), values.next().is_some());
    let mut parts = value.unwrap_or_default().split(';');
    let media_type = parts.next().unwrap_or_default().trim();
    let is_utf_8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => means_utf_8(value),
        _ => true,
    });
    let is_uncompressed = headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity");
    if !repeated && is_uncompressed && is_utf_8 && allowed.iter().any(|allowed| media_type.eq_ignore_ascii_case(allowed)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format!("The body must be sent as Content-Type: {}, in UTF-8 and uncompressed.", allowed.join(" or ")),
    ))
}

/// Whether a `charset` parameter means UTF-8. JSON has no such parameter and is always UTF-8, so any spelling of it will do:
/// `utf8`, `UTF_8`, in quotes of either kind, or nothing at all.
fn means_utf_8(charset: &str) -> bool {
    let letters = charset.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    matches!(letters.collect::<Vec<_>>().as_slice(), b"" | b"utf8")
}

async fn read(request: Request, app: &AppState) -> Result<Vec<u8>, Problem> {
    let due = Instant::now() + app.timeouts().body;
    let deadline = request.extensions().get::<RequestInfo>().map_or(due, |info| info.context.deadline().min(due));
    let (head, body) = request.into_parts();
    app.bodies().read(&head.headers, body, deadline).await.map_err(|error| match error {
        BodyError::TooLarge => Problem::new(Code::BodyTooLarge, format!("The body exceeds {MAX_BODY} bytes.")),
        BodyError::Malformed => Problem::new(Code::MalformedBody, "The request body was truncated or not properly framed."),
        BodyError::Timeout => Problem::new(Code::RequestTimeout, "The request body was not complete in time."),
        BodyError::Busy => overloaded(),
    })
}

fn overloaded() -> Problem {
    let detail = "The gateway is receiving too many large request bodies; repeat the request later.";
    Problem::new(Code::Overloaded, detail).retry_after(Duration::from_secs(1))
}

//! Request bodies.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};

use super::json_object::JsonObject;
use crate::backend::RequestContext;
use crate::problem::{Code, Problem};
use crate::rest::state::AppState;

/// Maximum length of a request body, in bytes.
const MAX_BODY: usize = 64 * 1024;
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

async fn read(request: Request, app: &AppState) -> Result<Bytes, Problem> {
    let due = Instant::now() + app.timeouts().body;
    let deadline = request.extensions().get::<RequestContext>().map_or(due, |context| context.deadline().min(due));
    let too_large = || Problem::new(Code::BodyTooLarge, format!("The body exceeds {MAX_BODY} bytes."));
    // Reject by the declared length before the client sends the body.
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let body: Limited<Body> = Limited::new(request.into_body(), MAX_BODY);
    match timeout_at(deadline, body.collect()).await {
        Err(_) => Err(Problem::new(Code::RequestTimeout, "The request body was not complete in time.")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::MalformedBody, "The request body was truncated or not properly framed.")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

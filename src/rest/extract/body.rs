//! Request bodies.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::json_object::JsonObject;
use crate::problem::{Code, Problem};
use crate::request::RequestInfo;
use crate::rest::state::AppState;

/// Maximum length of a request body, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Bodies up to this length, in bytes, may be received on all connections at once: hardly any request needs a longer one. Slow
/// clients could otherwise make the gateway hold the longest body for each connection.
const SMALL_BODY: usize = 8 * 1024;
/// The number of larger bodies that are received at the same time.
pub(in crate::rest) const LARGE_BODIES: usize = 64;
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
    // Reject by the declared length before the client sends the body.
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let body = timeout_at(deadline, collect(request.into_body(), app)).await;
    body.unwrap_or_else(|_| Err(Problem::new(Code::RequestTimeout, "The request body was not complete in time.")))
}

/// Collects the body. Frames are copied, because each holds on to hyper's whole read buffer, however little of it the client
/// has filled.
async fn collect(mut body: Body, app: &AppState) -> Result<Vec<u8>, Problem> {
    let malformed = |_| Problem::new(Code::MalformedBody, "The request body was truncated or not properly framed.");
    let (mut bytes, mut permit) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(malformed)?.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > MAX_BODY {
            return Err(too_large());
        }
        if length > SMALL_BODY && permit.is_none() {
            permit = Some(app.large_bodies().try_acquire().map_err(|_| overloaded())?);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge, format!("The body exceeds {MAX_BODY} bytes."))
}

fn overloaded() -> Problem {
    let detail = "The gateway is receiving too many large request bodies; repeat the request later.";
    Problem::new(Code::Overloaded, detail).retry_after(Duration::from_secs(1))
}

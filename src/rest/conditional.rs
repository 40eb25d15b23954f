//! JSON responses, with an entity tag where a client may ask whether it has them already.

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::dto::OrderStatusBody;
use super::etag::{ETag, is_known};
use super::json;
use crate::model::Order;

/// A response whose body is this value.
pub(super) fn json(value: &impl Serialize) -> Response {
    match json::to_bytes(value) {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Answers JSON with its tag, or 304 when the client has it.
pub(super) fn json_with_etag(headers: &HeaderMap, value: &impl Serialize) -> Response {
    match json::to_bytes(value) {
        Ok(body) => respond(headers, &ETag::of(&body), "application/json", body),
        Err(problem) => problem.into_response(),
    }
}

/// Answers the status of an order with the tag that stands for its log too.
pub(super) fn status_with_etag(headers: &HeaderMap, upstream: &str, order: &Order) -> Response {
    match json::to_bytes(&OrderStatusBody::from(order.status.as_ref())) {
        Ok(body) => respond(headers, &ETag::of_status(upstream, order), "application/json", body),
        Err(problem) => problem.into_response(),
    }
}

/// Answers a body with its tag, or 304 when the client has it.
pub(super) fn respond(headers: &HeaderMap, tag: &ETag, content_type: &'static str, body: Bytes) -> Response {
    let cached = [(ETAG, tag.header()), (CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if is_known(headers, tag) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(CONTENT_TYPE, content_type)], body).into_response()
}

//! JSON responses, and conditional ones: with an ETag, or 304 when `If-None-Match` lists it.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::dto::CurrentStatus;
use super::{etag, json};
use crate::auth::Principal;
use crate::model::Order;
use crate::resilience::Reservation;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The space for headers, those of the middleware included, so that the map does not grow step by step.
const MAX_HEADERS: usize = 12;

/// Responds with JSON that is known to be small.
pub(super) fn json(value: &impl Serialize) -> Response {
    ([(CONTENT_TYPE, JSON)], json::to_small_bytes(value)).into_response()
}

/// Responds with JSON, held in this memory until it is sent.
pub(super) fn large_json(value: &impl Serialize, memory: Reservation) -> Response {
    ([(CONTENT_TYPE, JSON)], json::to_bytes(value, memory)).into_response()
}

/// Responds with JSON and the ETag of its bytes, or with 304.
pub(super) fn json_with_etag(headers: &HeaderMap, value: &impl Serialize, memory: Reservation) -> Response {
    let body = json::to_bytes(value, memory);
    respond(headers, etag::of_body(&body), body)
}

/// Responds with the status of an order and the ETag that also covers its log, or with 304.
pub(super) fn status_with_etag(headers: &HeaderMap, principal: &Principal, order: &Order) -> Response {
    let body = json::to_small_bytes(&CurrentStatus::new(order.status.as_ref(), principal.scopes().pii_access()));
    respond(headers, etag::of_status(principal.upstream(), order), body)
}

/// Responds with JSON and its ETag, or with 304.
fn respond(headers: &HeaderMap, etag: ETag, body: Bytes) -> Response {
    let is_not_modified = etag::is_not_modified(headers, &etag);
    let mut response = Response::new(if is_not_modified { Body::empty() } else { Body::from(body) });
    let headers = response.headers_mut();
    headers.reserve(MAX_HEADERS);
    headers.typed_insert(etag);
    // Caches have to revalidate: an order may change at any time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if is_not_modified {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, JSON);
    }
    response
}

//! What browsers are told: which pages may read the API, and what a page of ours may do.

use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Method};

/// What a page of another origin may send besides what every page may.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id");
/// What a page of another origin may read besides what every page may.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Retry-After, X-Request-Id, Idempotency-Replayed, WWW-Authenticate, Allow, Accept-Patch",
);
/// How long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// For whatever is no page: were it taken for one, it could do nothing.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A year: whoever has reached this host by https does not go back.
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// A request of a page, as far as the answer depends on it.
#[derive(Debug)]
pub(super) struct CorsRequest {
    /// The page's origin, when it may read the API.
    origin: Option<HeaderValue>,
    /// Whether the browser asks for leave before the request itself.
    is_preflight: bool,
}

impl CorsRequest {
    /// The origin must be one of the list, letter for letter. `null`, which sandboxed pages have, never is.
    pub(super) fn of(method: &Method, headers: &HeaderMap, allowed: &[HeaderValue]) -> Self {
        let origin = headers.get(ORIGIN).filter(|origin| allowed.contains(origin)).cloned();
        let is_preflight = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        Self { origin, is_preflight }
    }

    /// Says what browsers need to know. Where any page may read the API, caches must know that answers differ by origin.
    pub(super) fn add_headers(self, response: &mut Response, allowed: &[HeaderValue], is_tls: bool) {
        let headers = response.headers_mut();
        protect(headers, is_tls);
        if allowed.is_empty() {
            return;
        }
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
        let Some(origin) = self.origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
        if self.is_preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }

    /// Once it is known which methods a route has.
    pub(super) fn add_allowed_methods(headers: &mut HeaderMap) {
        if let (Some(methods), true) = (headers.get(ALLOW).cloned(), headers.contains_key(ACCESS_CONTROL_ALLOW_HEADERS)) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
    }
}

fn protect(headers: &mut HeaderMap, is_tls: bool) {
    let mut or = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    or(CONTENT_SECURITY_POLICY, NO_PAGE);
    or(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    or(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    or(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if is_tls {
        or(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
    }
}

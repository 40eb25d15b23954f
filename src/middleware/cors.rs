//! CORS and the security headers of every response.
//!
//! `tower_http::cors::CorsLayer` (0.7.1) cannot replace this. It answers every `OPTIONS` request itself, with 200 and before
//! the router: an `OPTIONS` that is not a preflight would lose its 204 and `Allow`, an unknown route its 404. And it allows the
//! same methods for all routes, while a preflight here gets the methods of its route.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Method};

/// The request headers that a page of another origin may set, besides those that CORS allows to every page.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id");
/// The response headers that a page of another origin may read, besides those that CORS allows to every page.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Retry-After, X-Request-Id, Idempotency-Replayed, WWW-Authenticate, Allow, Accept-Patch",
);
/// How long a browser may cache the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Nothing may load and nothing may embed it: for responses that are not HTML, in case a browser renders one all the same.
const STRICTEST_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// HTTPS only, for a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What CORS needs to know of a request.
#[derive(Debug)]
pub(super) struct CorsRequest {
    /// The origin, if it is allowed.
    origin: Option<HeaderValue>,
    is_preflight: bool,
}

impl CorsRequest {
    /// Origins are compared byte by byte, since browsers always send the same form. `null`, the origin of sandboxed pages, is
    /// never in the list.
    pub(super) fn new(method: &Method, headers: &HeaderMap, allowed: &[HeaderValue]) -> Self {
        let origin = headers.get(ORIGIN).filter(|origin| allowed.contains(origin)).cloned();
        let is_preflight = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        Self { origin, is_preflight }
    }

    /// Adds the security headers, and the CORS headers for an allowed origin.
    pub(super) fn add_headers(self, headers: &mut HeaderMap, allowed: &[HeaderValue], is_tls: bool) {
        add_security_headers(headers, is_tls);
        if allowed.is_empty() {
            return;
        }
        // Also without an allowed origin: a cache must not give that response to a page of an allowed one.
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
        let Some(origin) = self.origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        if self.is_preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }

    /// Completes the answer to a preflight, recognised by its allowed headers, once `Allow` has the methods of the route.
    pub(super) fn add_allowed_methods(headers: &mut HeaderMap) {
        if let (Some(methods), true) = (headers.get(ALLOW).cloned(), headers.contains_key(ACCESS_CONTROL_ALLOW_HEADERS)) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
    }
}

/// A response that sets one of these itself, such as the policy of an HTML page, keeps its own.
fn add_security_headers(headers: &mut HeaderMap, is_tls: bool) {
    let mut set_default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    set_default(CONTENT_SECURITY_POLICY, STRICTEST_POLICY);
    set_default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set_default(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set_default(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Only where this server terminates TLS. Behind an ingress, HTTPS is the ingress's to promise.
    if is_tls {
        set_default(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

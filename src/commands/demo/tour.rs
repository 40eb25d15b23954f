//! The first requests to the demonstration, made by itself: what it prints are its own responses.

use std::convert::Infallible;
use std::fmt::Write;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use axum::http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

/// An order that was received and can be made active; no other text of the demonstration names it.
const PATH: &str = "/orders/20427/status";
const CHANGE: &str = r#"{"status":"active"}"#;

/// A request, a conditional change, and the same change with a tag that is no longer current: a problem.
pub(super) async fn tour<S, B>(api: S) -> String
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: axum::body::HttpBody + Send + 'static,
{
    let mut text = String::new();
    let tag = exchange(&mut text, api.clone(), Method::GET, None).await;
    exchange(&mut text, api.clone(), Method::PATCH, tag.as_ref()).await;
    exchange(&mut text, api, Method::PATCH, tag.as_ref()).await;
    text
}

/// Sends a request, writes it and its response, and returns the `ETag`.
async fn exchange<S, B>(text: &mut String, api: S, method: Method, tag: Option<&HeaderValue>) -> Option<HeaderValue>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: axum::body::HttpBody + Send + 'static,
{
    let mut request = Request::new(if tag.is_some() { CHANGE.into() } else { Body::empty() });
    request.method_mut().clone_from(&method);
    *request.uri_mut() = Uri::from_static(PATH);
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let _ = write!(text, "\n  {method} {PATH}");
    if let Some(tag) = tag {
        request.headers_mut().insert(IF_MATCH, tag.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let _ = write!(text, "   If-Match: {}   {CHANGE}", tag.to_str().unwrap_or_default());
    }
    let Ok(response) = api.oneshot(request).await;
    let (head, body) = response.into_parts();
    let tag = head.headers.get(ETAG);
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let _ = write!(text, "\n  {}", head.status);
    if let Some(tag) = tag {
        let _ = write!(text, "   ETag: {}", tag.to_str().unwrap_or_default());
    }
    let _ = writeln!(text, "\n  {}", String::from_utf8_lossy(&body));
    tag.cloned()
}

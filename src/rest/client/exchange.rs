//! Requests to a JSON system, and what arrives in return.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AGE, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method};
use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::answer::{Answer, Attempt, Media};
use crate::config::Secret;
use crate::http_client::{self, Connections, HttpClient, HttpError, Request};
use crate::resilience::{ByteBudget, Share};

/// Sends requests to one system.
#[derive(Debug)]
pub(super) struct Exchanges {
    pub(super) http: HttpClient,
    /// What the paths of the API are appended to.
    pub(super) base: Url,
    pub(super) memory: ByteBudget,
    pub(super) max_response_bytes: u64,
}

/// A response whose head has arrived.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) media: Media,
    retry_after: Option<Duration>,
    clock_skew: Option<SignedDuration>,
    response: reqwest::Response,
}

/// The connection was lost before the end of a body.
#[derive(Debug)]
pub(super) struct Lost;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_OR_PROBLEM: HeaderValue = HeaderValue::from_static("application/json, application/problem+json;q=0.5");
const LIST: HeaderValue = HeaderValue::from_static("application/x-ndjson, application/json;q=0.5");
/// The largest problem, or answer to a write, that is read.
const MAX_SMALL_BYTES: u64 = 64 * 1024;

impl Exchanges {
    /// A read of one resource, at this path of the API.
    pub(super) fn get(&self, path: &str, token: Option<&Secret>) -> Request {
        Self::request(Method::GET, self.url(path), token, JSON_OR_PROBLEM)
    }

    /// A read of a list or of one of its pages.
    pub(super) fn get_list(url: Url, token: Option<&Secret>) -> Request {
        Self::request(Method::GET, url, token, LIST)
    }

    /// A write, which has a connection of its own. A key makes it one that may arrive twice.
    pub(super) fn write(&self, method: Method, path: &str, body: Bytes, key: Option<&str>, token: Option<&Secret>) -> Request {
        let mut request = Self::request(method, self.url(path), token, JSON_OR_PROBLEM);
        request.headers.insert(CONTENT_TYPE, JSON);
        if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
            request.headers.insert(IDEMPOTENCY_KEY, key);
        }
        Request { body, connections: Connections::Own, ..request }
    }

    fn request(method: Method, url: Url, token: Option<&Secret>, accept: HeaderValue) -> Request {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(ACCEPT, accept);
        // Read for each request, so that a reloaded token is used. A secret consists of printable ASCII.
        let bearer = token.and_then(|token| token.with(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()));
        if let Some(mut bearer) = bearer {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Request { method, url, headers, body: Bytes::new(), connections: Connections::Shared }
    }

    /// The URL of a path of the API.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn begin(&self, request: &Request, deadline: Instant) -> Result<Head, Attempt> {
        match self.http.send(request, deadline).await {
            Ok(response) => Ok(Head::of(response)),
            Err(HttpError::Connect(error)) if error.cause.is_own() => Err(Attempt::NoResources),
            Err(HttpError::Connect(_) | HttpError::Address(_)) => Err(Attempt::NotSent),
            Err(HttpError::Timeout) => Err(Attempt::TimedOut),
            Err(HttpError::Exchange(_)) => Err(Attempt::Lost),
        }
    }

    /// Sends a request and receives its whole response, in the memory of this share.
    pub(super) async fn exchange(&self, request: &Request, share: Share, deadline: Instant) -> Attempt {
        match self.begin(request, deadline).await {
            Ok(head) => self.receive(head, request.method == Method::GET, share, deadline).await,
            Err(attempt) => attempt,
        }
    }

    /// Receives the rest of a response.
    pub(super) async fn receive(&self, head: Head, is_read: bool, share: Share, deadline: Instant) -> Attempt {
        let is_resource = is_read && matches!(head.status, 200..=299);
        let limit = if is_resource { self.max_response_bytes } else { self.max_response_bytes.min(MAX_SMALL_BYTES) };
        let received = timeout_at(deadline, self.read_body(head, share, limit)).await;
        received.unwrap_or(Attempt::TimedOut)
    }

    async fn read_body(&self, mut head: Head, share: Share, limit: u64) -> Attempt {
        let mut memory = self.memory.reservation(share);
        let mut body = BytesMut::new();
        loop {
            match head.next_chunk().await {
                Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 <= limit => body.extend_from_slice(&chunk),
                // Of an answer that is too large, the status still counts.
                Ok(Some(_)) => {
                    body.clear();
                    head.media = Media::TooLarge;
                    break;
                }
                Ok(None) => break,
                Err(Lost) => return Attempt::Lost,
            }
            if let Err(exhausted) = memory.resize(body.capacity()) {
                return Attempt::NotBuffered(exhausted);
            }
        }
        let Head { status, media, retry_after, clock_skew, .. } = head;
        Attempt::Answered(Box::new(Answer { status, media, retry_after, clock_skew, body: body.freeze(), memory }))
    }
}

impl Head {
    fn of(response: reqwest::Response) -> Self {
        let headers = response.headers();
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let is_encoded = text(CONTENT_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"));
        Self {
            status: response.status().as_u16(),
            media: if is_encoded { Media::Other } else { Media::of(text(CONTENT_TYPE).unwrap_or_default()) },
            retry_after: text(RETRY_AFTER).and_then(|time| http_client::retry_after(time, text(DATE))),
            clock_skew: http_client::clock_skew(text(DATE), headers.contains_key(AGE)),
            response,
        }
    }

    /// The next bytes of the body, `None` at its end.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Bytes>, Lost> {
        self.response.chunk().await.map_err(|_| Lost)
    }
}

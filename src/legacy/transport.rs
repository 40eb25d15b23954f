//! The only place that sends requests to an order system.
//!
//! Reads share connections that are kept for a few seconds. Writes get a connection of their own each: on a kept one, a
//! failure cannot tell whether the order system had received the request, and nothing below this may send it again. Errors
//! carry no text, because the client library prints the whole URL, credential included.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::SignedDuration;

use super::methods::{Idempotency, MethodSpec};
use crate::config::Upstream;
use crate::http_client::{self, ConnectConfig, Connector, TrustStoreError};
use crate::model::now;

/// Sends calls to one order system.
#[derive(Debug)]
pub(crate) struct Transport {
    scheme: Scheme,
    authority: Authority,
    path: String,
    reads: Client<Connector, Empty<Bytes>>,
    writes: Client<Connector, Empty<Bytes>>,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// No connection could be made, so nothing was sent.
    NotSent,
    /// The request may have arrived.
    ConnectionLost,
}

/// Why there is no transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// An address that no request can be sent to.
    #[error("the address of the order system has no host that can be connected to")]
    Address,
    /// The order system's certificate could not be checked.
    #[error(transparent)]
    Authorities(#[from] TrustStoreError),
}

/// A response whose head has arrived.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The label in the Content-Type header.
    pub(crate) charset: Option<String>,
    /// When the order system wants to be asked again, at most a minute from now.
    pub(crate) retry_after: Option<Duration>,
    /// By how much the server's clock was ahead of ours when the head arrived.
    pub(crate) clock_skew: Option<SignedDuration>,
    pub(crate) body: Body,
}

/// The body of a response as it arrives.
#[derive(Debug)]
pub(crate) struct Body(Incoming);

/// How long a connection is kept for the next read: less than any server keeps it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest time that an order system may ask us to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
/// How much of a response is taken from the kernel at once: more makes lists no faster and every one of them larger.
const READ_BUFFER_BYTES: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("tjansteguiden-gateway/", env!("CARGO_PKG_VERSION")));

impl Transport {
    /// A transport to an order system. Connects at the first call.
    #[expect(clippy::disallowed_methods, reason = "this is a transport")]
    pub(crate) fn try_new(upstream: &Upstream) -> Result<Self, TransportError> {
        // A write that has no connection when its whole time is over may have been sent, for all that is known.
        let connect_timeout = upstream.connect_timeout.min(upstream.timeout / 2);
        let connector = http_client::connector(&route(upstream), connect_timeout)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).http1_max_buf_size(READ_BUFFER_BYTES);
        let uri: Uri = upstream.url.as_str().parse().map_err(|_| TransportError::Address)?;
        let parts = uri.into_parts();
        Ok(Self {
            scheme: parts.scheme.ok_or(TransportError::Address)?,
            authority: parts.authority.ok_or(TransportError::Address)?,
            path: upstream.url.path().to_owned(),
            reads: builder.pool_idle_timeout(POOL_IDLE_TIMEOUT).build(connector.clone()),
            writes: builder.pool_max_idle_per_host(0).retry_canceled_requests(false).build(connector),
        })
    }

    /// How long the first line of the request would be, in bytes.
    pub(crate) fn request_line_length(&self, query: &str) -> usize {
        "GET ? HTTP/1.1".len() + self.path.len() + query.len()
    }

    /// Sends a call once and waits for the head of its response.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
    pub(crate) async fn send(&self, call: &MethodSpec, query: &str) -> Result<Response, SendError> {
        let client = match call.idempotency {
            Idempotency::Safe => &self.reads,
            Idempotency::Idempotent | Idempotency::NonIdempotent => &self.writes,
        };
        let request = self.request(query).map_err(|_| SendError::NotSent)?;
        let (head, body) = client.request(request).await.map_err(|error| classify(&error))?.into_parts();
        let text_of = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Response {
            status: head.status.as_u16(),
            charset: text_of(CONTENT_TYPE).and_then(charset_label).map(str::to_owned),
            retry_after: text_of(RETRY_AFTER).and_then(|text| retry_after(text, text_of(DATE))),
            clock_skew: clock(&head.headers),
            body: Body(body),
        })
    }

    fn request(&self, query: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
        let target = PathAndQuery::from_maybe_shared(format!("{}?{query}", self.path))?;
        let uri =
            Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(target).build()?;
        Request::get(uri).header(USER_AGENT, AGENT).body(Empty::new())
    }
}

impl Body {
    /// The next piece, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, SendError>> {
        loop {
            let Ok(frame) = self.0.frame().await? else { return Some(Err(SendError::ConnectionLost)) };
            // Trailers say nothing that is read.
            if let Ok(bytes) = frame.into_data() {
                return Some(Ok(bytes));
            }
        }
    }
}

/// The way to an order system, as the configuration wants it.
fn route(upstream: &Upstream) -> ConnectConfig {
    let straight = ConnectConfig::direct(&upstream.url).with_roots(upstream.tls.as_ref());
    ConnectConfig { proxy: upstream.proxy.clone(), local_address: upstream.local_address, ..straight }
}

fn classify(error: &Error) -> SendError {
    if http_client::is_unsent(error) { SendError::NotSent } else { SendError::ConnectionLost }
}

/// By how much the clock of a server is ahead of ours whose answer has just begun. What a cache gives is older than it looks.
fn clock(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE))?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|there| there.timestamp().duration_since(now()))
}

/// When to ask again: after so many seconds, or at a time of the order system's own clock, which shows `date`.
fn retry_after(text: &str, date: Option<&str>) -> Option<Duration> {
    let time_of = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => time_of(text)?.duration_since(date.and_then(time_of).unwrap_or_else(now)).try_into().unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The `charset` parameter of a media type.
fn charset_label(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_system_may_tell_when_to_ask_again_in_seconds_or_as_a_time() {
        let date = Some("Mon, 14 Mar 2016 08:05:00 GMT");
        for (text, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("3600", Some(60)),
            ("Mon, 14 Mar 2016 08:05:07 GMT", Some(7)),
            ("Mon, 14 Mar 2016 09:05:07 GMT", Some(60)),
            ("Mon, 14 Mar 2016 08:04:07 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, date), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after("Mon, 14 Mar 2016 08:05:00 GMT", None), Some(Duration::ZERO), "long ago by our own clock");
        assert_eq!(retry_after("Thu, 14 Mar 2216 08:05:00 GMT", Some("?")), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn the_charset_of_a_media_type_is_found_in_any_spelling() {
        for text in ["text/xml; charset=ISO-8859-1", "text/xml;a=b; Charset=\"ISO-8859-1\"", "text/xml ; charset= ISO-8859-1 "]
        {
            assert_eq!(charset_label(text), Some("ISO-8859-1"), "{text}");
        }
        assert_eq!(charset_label("text/xml"), None);
    }
}

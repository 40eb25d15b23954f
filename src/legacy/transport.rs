//! The only place that sends requests to an upstream.
//!
//! Reads share connections from a pool. Each write gets a connection of its own: on a pooled connection, a failure cannot tell
//! whether the upstream had received the request, and nothing below this may send it again. [`SendError`] carries no text,
//! because the client library prints the whole URL, credential included.
//!
//! It stands on hyper-util, the layer that reqwest is built on, and not on reqwest: that costs more allocations and CPU for an
//! order and holds lists in buffers that cannot be bounded (`cargo bench --bench http_client` measures both in one run), and it
//! does not expose the connection that a request went over, which [`WriteConnection`] needs.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpInfo, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::SignedDuration;

use crate::config::Upstream;
use crate::http_client::{self, ConnectConfig, Connector, TrustStoreError};
use crate::model::now;

/// Sends calls to one upstream.
#[derive(Debug)]
pub(crate) struct Transport {
    scheme: Scheme,
    authority: Authority,
    path: String,
    reads: Client<Connector, Empty<Bytes>>,
    writes: Client<Connector, Empty<Bytes>>,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection could be made, so nothing was sent.
    #[error("no connection could be made")]
    NotSent,
    /// The request may have arrived.
    #[error("the connection was lost")]
    ConnectionLost,
}

/// Why there is no transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The URL has no host that can be connected to.
    #[error("the URL of the upstream has no host that can be connected to")]
    Address,
    /// The upstream's certificate could not be verified.
    #[error(transparent)]
    TrustStore(#[from] TrustStoreError),
}

/// A response whose head has arrived.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The charset label in the Content-Type header.
    pub(crate) charset: Option<String>,
    /// When the upstream wants the next request, at most a minute from now.
    pub(crate) retry_after: Option<Duration>,
    /// How far the upstream's clock was ahead of ours when the head arrived.
    pub(crate) clock_skew: Option<SignedDuration>,
    pub(crate) body: Body,
}

/// The body of a response as it arrives.
#[derive(Debug)]
pub(crate) struct Body(Incoming);

/// The connection of a write. It is known from the moment the connection is made, also when no response follows.
pub(crate) struct WriteConnection(CaptureConnection);

/// How long a connection is pooled: less than any server keeps it open.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
/// Read buffer of a connection, in bytes: more makes lists no faster and each of them larger.
const READ_BUFFER_BYTES: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("tjansteguiden-gateway/", env!("CARGO_PKG_VERSION")));

impl Transport {
    /// A transport to an upstream. Connects at the first call.
    #[expect(clippy::disallowed_methods, reason = "this is a transport")]
    pub(crate) fn try_new(upstream: &Upstream) -> Result<Self, TransportError> {
        // A write that still has no connection when its whole time is over would count as perhaps sent.
        let connect_timeout = upstream.connect_timeout.min(upstream.timeout / 2);
        let connector = http_client::connector(&connect_config(upstream), connect_timeout)?;
        let uri: Uri = upstream.url.as_str().parse().map_err(|_| TransportError::Address)?;
        let parts = uri.into_parts();
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).http1_max_buf_size(READ_BUFFER_BYTES);
        Ok(Self {
            scheme: parts.scheme.ok_or(TransportError::Address)?,
            authority: parts.authority.ok_or(TransportError::Address)?,
            path: upstream.url.path().to_owned(),
            reads: builder.pool_idle_timeout(POOL_IDLE_TIMEOUT).build(connector.clone()),
            writes: builder.pool_max_idle_per_host(0).retry_canceled_requests(false).build(connector),
        })
    }

    /// Length of the request line with this query, in bytes.
    pub(crate) fn request_line_length(&self, query: &str) -> usize {
        "GET ? HTTP/1.1".len() + self.path.len() + query.len()
    }

    /// Sends a read once and waits for the head of its response.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
    pub(crate) async fn read(&self, query: &str) -> Result<Response, SendError> {
        response_of(self.reads.request(self.request(query)?).await)
    }

    /// Sends a write once, over a new connection, when the returned future is polled.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
    pub(crate) fn write(
        &self,
        query: &str,
    ) -> Result<(WriteConnection, impl Future<Output = Result<Response, SendError>>), SendError> {
        let mut request = self.request(query)?;
        let connection = WriteConnection(capture_connection(&mut request));
        let response = self.writes.request(request);
        Ok((connection, async move { response_of(response.await) }))
    }

    fn request(&self, query: &str) -> Result<Request<Empty<Bytes>>, SendError> {
        // A URL that cannot be built was certainly not sent.
        let target = PathAndQuery::from_maybe_shared(format!("{}?{query}", self.path)).map_err(|_| SendError::NotSent)?;
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(target);
        let request = uri.build().and_then(|uri| Request::get(uri).header(USER_AGENT, AGENT).body(Empty::new()));
        request.map_err(|_| SendError::NotSent)
    }
}

fn response_of(response: Result<http::Response<Incoming>, Error>) -> Result<Response, SendError> {
    let response = response
        .map_err(|error| if http_client::is_unsent(&error) { SendError::NotSent } else { SendError::ConnectionLost })?;
    let (head, body) = response.into_parts();
    let text_of = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Response {
        status: head.status.as_u16(),
        charset: text_of(CONTENT_TYPE).and_then(charset_label).map(str::to_owned),
        retry_after: text_of(RETRY_AFTER).and_then(|text| retry_after(text, text_of(DATE))),
        clock_skew: clock_skew(&head.headers),
        body: Body(body),
    })
}

impl WriteConnection {
    /// The other end of the connection, once it was made.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        let mut extras = Extensions::new();
        self.0.connection_metadata().as_ref()?.get_extras(&mut extras);
        extras.get::<HttpInfo>().map(HttpInfo::remote_addr)
    }
}

impl Body {
    /// The next chunk, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, SendError>> {
        loop {
            let Ok(frame) = self.0.frame().await? else { return Some(Err(SendError::ConnectionLost)) };
            // Frames without data are trailers, which are not used.
            if let Ok(bytes) = frame.into_data() {
                return Some(Ok(bytes));
            }
        }
    }
}

fn connect_config(upstream: &Upstream) -> ConnectConfig {
    let direct = ConnectConfig::direct(&upstream.url).with_roots(upstream.tls.as_ref());
    ConnectConfig { proxy: upstream.proxy.clone(), local_address: upstream.local_address, ..direct }
}

/// How far the clock of a server is ahead of ours, whose response has just begun. A cached response is older than it looks.
fn clock_skew(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE))?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|there| there.timestamp().duration_since(now()))
}

/// The delay of a `Retry-After`: seconds, or a time by the clock of the upstream, which shows `date`.
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
    fn retry_after_is_seconds_or_a_time() {
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
    fn charset_parameter_is_found_in_any_spelling() {
        for text in ["text/xml; charset=ISO-8859-1", "text/xml;a=b; Charset=\"ISO-8859-1\"", "text/xml ; charset= ISO-8859-1 "]
        {
            assert_eq!(charset_label(text), Some("ISO-8859-1"), "{text}");
        }
        assert_eq!(charset_label("text/xml"), None);
    }
}

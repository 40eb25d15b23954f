//! The only place that sends requests to an upstream.
//!
//! Reads share connections from a pool. Each write gets a connection of its own: on a pooled connection, a failure cannot tell
//! whether the upstream had received the request, and nothing below this may send it again. [`SendError`] carries no text,
//! because a URL contains the credential.

use std::time::Duration;

use jiff::SignedDuration;
use url::Position;

use crate::backend::RequestContext;
use crate::config::Upstream;
use crate::http_client::{self, Cause, ConnectConfig, ConnectLog, Connection, ConnectorError, Head, Origin, Pool};
use crate::metrics::UpstreamMetrics;

pub(crate) use crate::http_client::{Body, SendError};

/// Sends calls to one upstream.
#[derive(Debug)]
pub(crate) struct Transport {
    /// Length of the path.
    path_length: usize,
    /// A request up to its query. For a proxy that forwards requests, the target is absolute (`http://portal.example/orders`).
    before_query: String,
    /// The rest of the request line and the headers.
    after_query: String,
    pool: Pool,
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

/// A write whose connection has been made, and which has not been sent yet.
#[derive(Debug)]
pub(crate) struct ConnectedWrite {
    pool: Pool,
    connection: Connection,
    request: Vec<u8>,
}

impl Transport {
    /// A transport to an upstream. Connects at the first call.
    pub(crate) fn try_new(upstream: &Upstream, metrics: UpstreamMetrics) -> Result<Self, ConnectorError> {
        let Upstream { url, max_connection_age, .. } = upstream;
        // A write that still has no connection when its whole time is over would count as perhaps sent.
        let connect_timeout = upstream.connect_timeout.min(upstream.timeout / 2);
        let log = ConnectLog::of_upstream(metrics);
        let pool = Pool::try_new(Origin::of(url)?, &connect_config(upstream), connect_timeout, *max_connection_age, log)?;
        let absolute = if pool.is_forwarding() { &url[..Position::BeforePath] } else { "" };
        let host = http_client::host_header(url);
        Ok(Self {
            path_length: url.path().len(),
            before_query: format!("GET {absolute}{}?", url.path()),
            after_query: format!(" HTTP/1.1\r\nhost: {host}\r\nuser-agent: {}\r\n\r\n", http_client::AGENT),
            pool,
        })
    }

    /// Length of the request line with this query, in bytes.
    pub(crate) const fn request_line_length(&self, query: &str) -> usize {
        "GET ? HTTP/1.1".len() + self.path_length + query.len()
    }

    /// Sends a read and waits for the head of its response.
    pub(crate) async fn read(&self, context: &RequestContext, query: &str) -> Result<Response, SendError> {
        let request = self.request(query)?;
        let (head, body, address) = self.pool.send(context.pinned_address(), &request, ResponseHead::read).await?;
        if self.pool.is_direct() {
            context.pin_to(address);
        }
        Ok(head.with(body))
    }

    /// Makes the connection for a write.
    pub(crate) async fn connect(&self, context: &RequestContext, query: &str) -> Result<ConnectedWrite, SendError> {
        let request = self.request(query)?;
        let connection = self.pool.connect(context.pinned_address()).await?;
        if self.pool.is_direct() {
            context.pin_to(connection.peer());
        }
        Ok(ConnectedWrite { pool: self.pool.clone(), connection, request })
    }

    /// The bytes of a request. What cannot be a part of a request line was certainly not sent.
    fn request(&self, query: &str) -> Result<Vec<u8>, SendError> {
        if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SendError::NotSent(Cause::Other));
        }
        Ok([self.before_query.as_bytes(), query.as_bytes(), self.after_query.as_bytes()].concat())
    }
}

impl ConnectedWrite {
    /// Sends the write, once.
    pub(crate) async fn send(self) -> Result<Response, SendError> {
        let (head, body) = self.pool.send_once(self.connection, &self.request, ResponseHead::read).await?;
        Ok(head.with(body))
    }
}

/// What the head of a response says.
struct ResponseHead {
    status: u16,
    charset: Option<String>,
    retry_after: Option<Duration>,
    clock_skew: Option<SignedDuration>,
}

impl ResponseHead {
    fn read(head: &Head<'_>) -> Self {
        Self {
            status: head.status,
            charset: head.text("content-type").and_then(charset_label).map(str::to_owned),
            retry_after: head.text("retry-after").and_then(|text| http_client::retry_after(text, head.text("date"))),
            clock_skew: http_client::clock_skew(head.text("date"), head.contains("age")),
        }
    }

    fn with(self, body: Body) -> Response {
        let Self { status, charset, retry_after, clock_skew } = self;
        Response { status, charset, retry_after, clock_skew, body }
    }
}

fn connect_config(upstream: &Upstream) -> ConnectConfig {
    let Upstream { url, tls, proxy, local_address, resolver, .. } = upstream;
    let direct = ConnectConfig::direct(url).with_roots(tls.as_ref());
    ConnectConfig { proxy: proxy.clone(), local_address: *local_address, resolver: resolver.clone(), ..direct }
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
    fn charset_parameter_is_found_in_any_spelling() {
        for text in ["text/xml; charset=ISO-8859-1", "text/xml;a=b; Charset=\"ISO-8859-1\"", "text/xml ; charset= ISO-8859-1 "]
        {
            assert_eq!(charset_label(text), Some("ISO-8859-1"), "{text}");
        }
        assert_eq!(charset_label("text/xml"), None);
    }
}

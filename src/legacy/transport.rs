//! The only place that sends requests to an order system.
//!
//! Reads share connections that are kept for a few seconds. Writes get a connection of their own each: on a kept one, a
//! failure cannot tell whether the order system had received the request, and nothing below this may send it again. Errors
//! carry no text, because the client library prints the whole URL, credential included.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use url::Url;

use super::call::{Call, Effect};

/// Sends calls to one order system.
#[derive(Debug)]
pub(crate) struct Transport {
    url: Url,
    reads: reqwest::Client,
    writes: reqwest::Client,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// No connection could be made, so nothing was sent.
    NotSent,
    /// The request may have arrived.
    Broken,
}

/// A response whose head has arrived.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The label in the Content-Type header.
    pub(crate) charset: Option<String>,
    /// When the order system wants to be asked again, at most a minute from now.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: BoxStream<'static, Result<Bytes, SendError>>,
}

/// How long a connection is kept for the next read: less than any server keeps it.
const KEEP_IDLE: Duration = Duration::from_secs(3);
/// The longest time that an order system may ask us to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

impl Transport {
    /// A transport to the order system at `url`.
    ///
    /// # Errors
    /// When the machine has no usable certificate authorities.
    #[expect(clippy::disallowed_methods, reason = "this is a transport")]
    pub(crate) fn try_new(url: Url, connect_timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("tjansteguiden-gateway/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(connect_timeout)
                .http1_only()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
        };
        Ok(Self {
            url,
            reads: builder().pool_idle_timeout(KEEP_IDLE).build()?,
            writes: builder().pool_max_idle_per_host(0).build()?,
        })
    }

    /// How long the first line of the request would be, in bytes.
    pub(crate) fn request_line_length(&self, query: &str) -> usize {
        "GET ? HTTP/1.1".len() + self.url.path().len() + query.len()
    }

    /// Sends a call once and waits for the head of its response.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
    pub(crate) async fn send(&self, call: &Call, query: &str) -> Result<Response, SendError> {
        let client = match call.effect {
            Effect::Read => &self.reads,
            Effect::WriteRepeatable | Effect::WriteOnce => &self.writes,
        };
        let mut url = self.url.clone();
        url.set_query(Some(query));
        let response = client.get(url).send().await.map_err(|error| classify(&error))?;
        let text_of = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let seconds = text_of(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
        Ok(Response {
            status: response.status().as_u16(),
            charset: text_of(CONTENT_TYPE).and_then(charset_label).map(str::to_owned),
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER)),
            body: response.bytes_stream().map_err(|_| SendError::Broken).boxed(),
        })
    }
}

fn classify(error: &reqwest::Error) -> SendError {
    if error.is_connect() { SendError::NotSent } else { SendError::Broken }
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
    fn the_charset_of_a_media_type_is_found_in_any_spelling() {
        for text in ["text/xml; charset=ISO-8859-1", "text/xml;a=b; Charset=\"ISO-8859-1\"", "text/xml ; charset= ISO-8859-1 "]
        {
            assert_eq!(charset_label(text), Some("ISO-8859-1"), "{text}");
        }
        assert_eq!(charset_label("text/xml"), None);
    }
}

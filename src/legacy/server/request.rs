//! Requests: parameters from the query and the form, as bytes until it is known who sent them and in which charset.

use axum::extract::Request;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use crate::charset::Charset;
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::request_body::{BodyError, BodyReader};

/// The parameters of a request, percent-decoded.
#[derive(Default)]
pub(super) struct RawParams(Vec<(Vec<u8>, Vec<u8>)>);

/// The parameters of all methods. Others are ignored.
const KNOWN: [&str; 10] = ["method", "api_user", "api_key", "hash", "id", "date", "status", "message", "type", "output_format"];

impl RawParams {
    /// Reads the query and, of a `POST`, the form in the body.
    ///
    /// # Errors
    /// The status of the answer to a form that is not read.
    pub(super) async fn read(request: Request, bodies: &BodyReader, deadline: Instant) -> Result<Self, StatusCode> {
        let mut params = Self::default();
        params.add(request.uri().query().unwrap_or_default().as_bytes());
        if request.method() == Method::POST {
            let (head, body) = request.into_parts();
            if !is_form(&head.headers) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            params.add(&bodies.read(&head.headers, body, deadline).await.map_err(status)?);
        }
        Ok(params)
    }

    /// A name in both the query and the form occurs twice.
    fn add(&mut self, encoded: &[u8]) {
        let pairs = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        self.0.extend(pairs.map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            (percent_decoded(parts.next().unwrap_or_default()), percent_decoded(parts.next().unwrap_or_default()))
        }));
    }

    /// Whether there is a parameter with this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The value of a parameter that occurs exactly once.
    pub(super) fn only(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    fn values<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p [u8]> {
        self.0.iter().filter(move |(parameter, _)| parameter == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The known parameters in the charset of the client.
    ///
    /// # Errors
    /// When one of them is repeated or has bytes of another charset, or the answer is wanted in another format than XML.
    pub(super) fn decode(&self, charset: Charset) -> Result<QueryParams, InvalidParams> {
        let mut params = QueryParams::default();
        for name in KNOWN.into_iter().filter(|name| self.has(name)) {
            let value = self.only(name).ok_or(InvalidParams("a parameter is repeated"))?;
            let value = charset.decode_exactly(value).ok_or(InvalidParams("a parameter is not in the charset"))?;
            params = params.with(name, value);
        }
        match params.get("output_format") {
            Ok(format) if format != "xml" => Err(InvalidParams("output_format is not valid")),
            _ => Ok(params),
        }
    }
}

fn status(error: BodyError) -> StatusCode {
    match error {
        BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::Malformed => StatusCode::BAD_REQUEST,
        BodyError::Timeout => StatusCode::REQUEST_TIMEOUT,
        BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let media_type = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let is_encoded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") && !is_encoded
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let with_spaces: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&with_spaces).collect()
}

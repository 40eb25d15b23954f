//! Compresses large bodies for clients that ask for it.
//!
//! A list is compressed as it comes: every piece is pushed through to the client, because the next may take its time. What has
//! a strong `ETag` stays as it is, since the tag is for exactly these bytes.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, VARY};
use http_body::{Body as _, Frame};

/// Smaller bodies cost more to compress than to send.
const MIN_SIZE: u64 = 4_096;
/// How much is compressed in one go before others get their turn.
const PIECE: usize = 64 * 1024;
/// How far back zstd and brotli look for repetitions, as a power of two. What they look through is kept in memory for each
/// response.
const WINDOW: u8 = 17;

/// A content coding, the one that does most for its cost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the client likes best, `None` when it takes nothing that is known here (RFC 9110, section 12.5.3).
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let wanted: Vec<(&str, u16)> = values.flat_map(|value| value.split(',')).filter_map(parse_coding).collect();
        let weight = |name: &str| {
            let named = wanted.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            named.or_else(|| wanted.iter().find(|(known, _)| *known == "*")).map_or(0, |(_, weight)| *weight)
        };
        // Whoever prefers bodies as they are says so.
        let identity = wanted.iter().find(|(known, _)| known.eq_ignore_ascii_case("identity")).map_or(0, |(_, weight)| *weight);
        let best = Self::ALL.into_iter().rev().max_by_key(|coding| weight(coding.name()))?;
        let weight = weight(best.name());
        (weight > 0 && weight >= identity).then_some(best)
    }
}

/// A coding with its weight in thousandths.
fn parse_coding(text: &str) -> Option<(&str, u16)> {
    let (name, parameter) = text.split_once(';').unwrap_or((text, "q=1"));
    let weight = parameter.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim();
    let weight = weight.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    Some((name.trim(), (weight * 1000.0) as u16))
}

/// Compresses a response when it is worth it.
pub(super) fn apply(mut response: Response, coding: Option<Coding>) -> Response {
    let is_large = response.body().size_hint().exact().is_none_or(|size| size >= MIN_SIZE);
    if !is_large || !response.status().is_success() || !is_compressible(response.headers()) {
        return response;
    }
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = coding else { return response };
    let Ok(compressor) = Compressor::try_new(coding) else { return response };
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(CONTENT_LENGTH);
    response.map(|body| Body::new(Compressed { body, rest: Bytes::new(), compressor: Some(compressor) }))
}

fn is_compressible(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = media_type.starts_with("text/")
        || ["json", "yaml", "javascript", "svg+xml"].iter().any(|kind| media_type.contains(kind));
    is_text && !headers.contains_key(ETAG) && !headers.contains_key(CONTENT_ENCODING)
}

enum Compressor {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Compressor {
    fn try_new(coding: Coding) -> io::Result<Self> {
        const BROTLI_QUALITY: u32 = 4;
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.window_log(WINDOW.into())?;
                Self::Zstd(encoder)
            }
            Coding::Brotli => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), PIECE, BROTLI_QUALITY, WINDOW.into())))
            }
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
        })
    }

    /// Everything that can be sent for these bytes and those before them.
    fn push(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        let out = match self {
            Self::Zstd(encoder) => pass(encoder, bytes).map(|encoder| std::mem::take(encoder.get_mut())),
            Self::Brotli(encoder) => pass(&mut **encoder, bytes).map(|encoder| std::mem::take(encoder.get_mut())),
            Self::Gzip(encoder) => pass(encoder, bytes).map(|encoder| std::mem::take(encoder.get_mut())),
        };
        out.map(Bytes::from)
    }

    fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }
}

fn pass<'e, W: Write>(encoder: &'e mut W, bytes: &[u8]) -> io::Result<&'e mut W> {
    encoder.write_all(bytes)?;
    encoder.flush()?;
    Ok(encoder)
}

/// A body on its way through a compressor.
struct Compressed {
    body: Body,
    /// What came of the body and was not compressed yet.
    rest: Bytes,
    /// `None` when everything was said: nobody asks a body that has ended for more.
    compressor: Option<Compressor>,
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        while let Some(compressor) = &mut this.compressor {
            if this.rest.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                    Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => {
                        this.compressor = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        let end = this.compressor.take().map(Compressor::finish).transpose().map_err(axum::Error::new);
                        return Poll::Ready(end.transpose().map(|end| end.map(Frame::data)));
                    }
                }
            }
            let piece = this.rest.split_to(PIECE.min(this.rest.len()));
            let out = compressor.push(&piece).map_err(axum::Error::new)?;
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.compressor.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_the_coding() {
        for (value, expected) in [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, br", Some(Coding::Brotli)),
            ("GZIP;q=1.0, br;q=0.5", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*;q=0.5, zstd;q=0", Some(Coding::Brotli)),
            ("gzip;q=0", None),
            ("gzip; q=0.001", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip", Some(Coding::Gzip)),
            ("deflate, compress", None),
            ("gzip;q=2", None),
            ("gzip;nonsense", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(Coding::preferred(&headers), expected, "{value}");
        }
        assert_eq!(Coding::preferred(&HeaderMap::new()), None);
    }
}

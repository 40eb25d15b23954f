//! Content codings (zstd, Brotli, gzip): negotiation by `Accept-Encoding`, and encoders with bounded memory.

use std::io::{self, Write};

use axum::body::Bytes;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};

use crate::quality_values;

/// The zstd and Brotli window, as a power of two: 128 KiB for each response in flight.
const WINDOW_LOG: u8 = 17;
/// The input buffer of Brotli, in bytes.
const BROTLI_BUFFER: usize = 64 * 1024;

/// Smaller bodies cost more to compress than to send, in bytes.
const MIN_SIZE: u64 = 4_096;

/// Whether a body is worth compressing.
pub(crate) fn is_worthwhile(media_type: &HeaderValue, size: u64) -> bool {
    let media_type = media_type.to_str().unwrap_or_default();
    let is_text = media_type.starts_with("text/")
        || ["json", "yaml", "javascript", "svg+xml"].iter().any(|kind| media_type.contains(kind));
    is_text && size >= MIN_SIZE
}

/// A content coding, in order of preference: the best ratio for its cost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    pub(crate) const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// The name in `Accept-Encoding` and `Content-Encoding`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding with the highest weight (RFC 9110, section 12.5.3). `None` when the client accepts none of them, or gives
    /// `identity` a higher weight.
    pub(crate) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let accepted = quality_values::parse(headers.get_all(ACCEPT_ENCODING));
        let named = |name: &str| {
            let element = accepted.iter().find(|element| element.value.eq_ignore_ascii_case(name));
            element.map(|element| element.quality)
        };
        let wildcard = named("*").unwrap_or(0);
        // `max_by_key` returns the last of equal elements, hence the reverse order.
        let weighted = Self::ALL.into_iter().rev().map(|coding| (coding, named(coding.name()).unwrap_or(wildcard)));
        let (coding, quality) = weighted.max_by_key(|(_, quality)| *quality)?;
        // `identity` counts only when it is named: clients that send `gzip` alone, or `*`, want compression.
        (quality > 0 && quality >= named("identity").unwrap_or(0)).then_some(coding)
    }

    /// Compresses a whole body at once.
    pub(crate) fn compress(self, body: &[u8]) -> io::Result<Bytes> {
        let mut encoder = Encoder::try_new(self)?;
        let mut compressed = encoder.encode(body)?.to_vec();
        compressed.extend_from_slice(&encoder.finish()?);
        // Exactly as large as needed: it is kept.
        Ok(compressed.into_boxed_slice().into())
    }
}

/// Compresses one body.
pub(crate) enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    pub(crate) fn try_new(coding: Coding) -> io::Result<Self> {
        // Higher qualities cost too much CPU for bodies that are compressed again for every request.
        const BROTLI_QUALITY: u32 = 4;
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.window_log(WINDOW_LOG.into())?;
                Self::Zstd(encoder)
            }
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                WINDOW_LOG.into(),
            ))),
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
        })
    }

    /// Compresses and flushes: the output decodes to everything that was passed so far.
    pub(crate) fn encode(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        fn write_all_and_flush(encoder: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
            encoder.write_all(bytes)?;
            encoder.flush()
        }
        let output = match self {
            Self::Zstd(encoder) => {
                write_all_and_flush(encoder, bytes)?;
                encoder.get_mut()
            }
            Self::Brotli(encoder) => {
                write_all_and_flush(encoder, bytes)?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                write_all_and_flush(encoder, bytes)?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(output).into())
    }

    /// The end of the compressed stream.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_weight_decides_the_coding() {
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

//! Removes the byte order mark (BOM) of a document, and transcodes UTF-16 to UTF-8. Nothing else knows about UTF-16.

use std::fmt;

use encoding_rs::{Decoder, Encoding, UTF_8};

/// The encoding according to the byte order mark.
pub(super) enum Transcoder {
    /// Fewer bytes have arrived than a BOM may have.
    Undecided,
    /// No BOM: markup is ASCII, and the bytes are passed on unchanged.
    NoBom,
    /// A BOM of UTF-8: the bytes after it are passed on unchanged.
    Utf8,
    /// A BOM of UTF-16: the bytes after it are transcoded.
    Utf16(Box<Decoder>),
}

/// Length of the longest BOM, in bytes.
const MAX_BOM_LENGTH: usize = 3;

impl Transcoder {
    /// Appends the next bytes of the document to `out`. Returns the length of the BOM if it was removed now, otherwise 0.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        if let Self::Utf16(decoder) = self {
            decode_onto(decoder, bytes, out, false);
            return 0;
        }
        out.extend_from_slice(bytes);
        if self.is_decided() || out.len() < MAX_BOM_LENGTH {
            return 0;
        }
        let bom = Encoding::for_bom(out);
        let length = bom.map_or(0, |(_, length)| length);
        out.drain(..length);
        *self = match bom {
            None => Self::NoBom,
            Some((encoding, _)) if encoding == UTF_8 => Self::Utf8,
            Some((encoding, _)) => {
                let mut decoder = encoding.new_decoder_without_bom_handling();
                let bytes = std::mem::take(out);
                decode_onto(&mut decoder, &bytes, out, false);
                Self::Utf16(Box::new(decoder))
            }
        };
        length
    }

    /// Whether the next bytes of the document, before which all have been passed on, are passed on unchanged.
    pub(super) fn passes(&mut self, bytes: &[u8]) -> bool {
        if matches!(self, Self::Undecided) && bytes.len() >= MAX_BOM_LENGTH && Encoding::for_bom(bytes).is_none() {
            *self = Self::NoBom;
        }
        matches!(self, Self::NoBom | Self::Utf8)
    }

    /// Appends the replacement for an incomplete character at the end of the document. Must be called once: the decoder panics
    /// when it is used after its end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Utf16(decoder) = self {
            decode_onto(decoder, &[], out, true);
        }
    }

    pub(super) const fn is_decided(&self) -> bool {
        !matches!(self, Self::Undecided)
    }

    /// Whether there was a BOM. It wins over all charset labels, and the output is UTF-8 then.
    pub(super) const fn has_bom(&self) -> bool {
        matches!(self, Self::Utf8 | Self::Utf16(_))
    }
}

fn decode_onto(decoder: &mut Decoder, bytes: &[u8], out: &mut Vec<u8>, last: bool) {
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
    let _ = decoder.decode_to_string(bytes, &mut text, last);
    out.extend_from_slice(text.as_bytes());
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undecided => "undecided",
            Self::NoBom => "no BOM",
            Self::Utf8 => "UTF-8",
            Self::Utf16(_) => "UTF-16",
        })
    }
}

//! The byte order mark in front of a document: removed, and UTF-16 becomes UTF-8.

use std::fmt;

use encoding_rs::{Decoder, Encoding, UTF_8};

/// What the first bytes of a document say about its encoding.
pub(super) enum Transcoder {
    /// Fewer bytes than a byte order mark may have.
    Undecided,
    /// No byte order mark: markup is ASCII, and bytes pass as they are.
    Unmarked,
    /// A byte order mark of UTF-8; the bytes after it pass as they are.
    Utf8,
    /// A byte order mark of UTF-16.
    Utf16(Box<Decoder>),
}

/// The longest byte order mark.
const MAX_MARK: usize = 3;

impl Transcoder {
    /// Appends the next bytes of the document. Returns the length of a byte order mark that was removed.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        if let Self::Utf16(decoder) = self {
            decode_onto(decoder, bytes, out, false);
            return 0;
        }
        out.extend_from_slice(bytes);
        if self.is_decided() || out.len() < MAX_MARK {
            return 0;
        }
        let mark = Encoding::for_bom(out);
        let length = mark.map_or(0, |(_, length)| length);
        out.drain(..length);
        *self = match mark {
            None => Self::Unmarked,
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

    /// Appends what a half character at the document's end becomes.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Utf16(decoder) = self {
            decode_onto(decoder, &[], out, true);
        }
    }

    pub(super) const fn is_decided(&self) -> bool {
        !matches!(self, Self::Undecided)
    }

    /// Whether a byte order mark settles that the bytes are UTF-8 from here on, whatever the labels are.
    pub(super) const fn is_marked(&self) -> bool {
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
            Self::Unmarked => "unmarked",
            Self::Utf8 => "UTF-8",
            Self::Utf16(_) => "UTF-16",
        })
    }
}

//! The bytes of a document, as they arrive.

use std::fmt;
use std::slice::SliceIndex;

use encoding_rs::{Decoder, Encoding, UTF_8};

/// The bytes that are still needed.
#[derive(Debug)]
pub(super) struct Source {
    buffer: Vec<u8>,
    /// How many bytes were dropped in front of them.
    dropped: u64,
    form: Form,
}

/// What is known of the bytes that come in.
enum Form {
    /// Too few came to tell a byte order mark.
    Unknown,
    /// Markup is ASCII; `true` when a byte order mark said that it is UTF-8.
    AsciiMarkup { utf_8_mark: bool },
    /// UTF-16 with a byte order mark, turned into UTF-8 here.
    Utf16(Box<Decoder>),
}

impl Source {
    pub(super) const fn new() -> Self {
        Self { buffer: Vec::new(), dropped: 0, form: Form::Unknown }
    }

    /// Drops so many bytes that are no longer needed, and takes new ones.
    pub(super) fn push(&mut self, bytes: &[u8], used: usize) {
        self.buffer.drain(..used);
        self.dropped += used as u64;
        if let Form::Utf16(decoder) = &mut self.form {
            decode_onto(decoder, bytes, &mut self.buffer, false);
            return;
        }
        self.buffer.extend_from_slice(bytes);
        if !self.is_settled() && self.buffer.len() >= 3 {
            self.look_for_mark();
        }
    }

    /// There is nothing more to come.
    pub(super) fn finish(&mut self) {
        if let Form::Utf16(decoder) = &mut self.form {
            decode_onto(decoder, &[], &mut self.buffer, true);
        }
    }

    /// Whether enough came to tell what form the bytes have.
    pub(super) const fn is_settled(&self) -> bool {
        !matches!(self.form, Form::Unknown)
    }

    /// Whether a byte order mark settled the character set.
    pub(super) const fn is_marked_utf_8(&self) -> bool {
        matches!(self.form, Form::AsciiMarkup { utf_8_mark: true } | Form::Utf16(_))
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) const fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Some of the bytes; none where there are none.
    pub(super) fn bytes(&self, range: impl SliceIndex<[u8], Output = [u8]>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    fn look_for_mark(&mut self) {
        let mark = Encoding::for_bom(&self.buffer);
        let length = mark.map_or(0, |(_, length)| length);
        self.buffer.drain(..length);
        self.dropped += length as u64;
        self.form = match mark {
            Some((encoding, _)) if encoding != UTF_8 => {
                let mut decoder = encoding.new_decoder_without_bom_handling();
                let bytes = std::mem::take(&mut self.buffer);
                decode_onto(&mut decoder, &bytes, &mut self.buffer, false);
                Form::Utf16(Box::new(decoder))
            }
            mark => Form::AsciiMarkup { utf_8_mark: mark.is_some() },
        };
    }
}

fn decode_onto(decoder: &mut Decoder, bytes: &[u8], buffer: &mut Vec<u8>, last: bool) {
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
    let _ = decoder.decode_to_string(bytes, &mut text, last);
    buffer.extend_from_slice(text.as_bytes());
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::AsciiMarkup { .. } => "ASCII markup",
            Self::Utf16(_) => "UTF-16",
        })
    }
}

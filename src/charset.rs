//! Character sets, which the legacy API does not declare reliably.
//!
//! Responses are decoded one text value at a time, and the declared charset is trusted only as far as the bytes agree with it:
//! bytes that are not valid UTF-8 although UTF-8 is declared are read as Windows-1252, and valid multi-byte UTF-8 under a
//! declared Latin charset is read as UTF-8, because real Latin text does not contain these sequences. No byte sequence is
//! rejected and no character is replaced.

use std::borrow::Cow;

use encoding_rs::{EncoderResult, Encoding, UTF_8, WINDOWS_1252};

/// A supported charset: UTF-8 or a single-byte superset of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    encoding: &'static Encoding,
    /// The label is ISO-8859-1. On the web it means Windows-1252, which is right for decoding; but encoding must stay within
    /// ISO-8859-1, since the upstream may take the label literally.
    is_latin_1: bool,
}

/// A label that names no supported charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a supported charset: utf-8, or a single-byte one such as iso-8859-1 or windows-1252")]
pub struct UnknownCharset;

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self { encoding: UTF_8, is_latin_1: false };

    /// The charset with this label, as in the WHATWG encoding standard.
    ///
    /// # Errors
    /// [`UnknownCharset`] for unknown labels and for charsets that are not supersets of ASCII.
    pub fn parse(label: &str) -> Result<Self, UnknownCharset> {
        let encoding = Encoding::for_label(label.trim().as_bytes());
        let encoding = encoding.filter(|encoding| *encoding == UTF_8 || encoding.is_single_byte()).ok_or(UnknownCharset)?;
        let is_windows = label.trim().to_ascii_lowercase().ends_with("1252");
        Ok(Self { encoding, is_latin_1: encoding == WINDOWS_1252 && !is_windows })
    }

    /// Decodes bytes, and returns whether they were in another charset than this one.
    pub(crate) fn decode(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        match (std::str::from_utf8(bytes), self.encoding == UTF_8) {
            (Ok(text), is_utf_8) => (Cow::Borrowed(text), !is_utf_8 && !text.is_ascii()),
            (Err(_), true) => (decode_single_byte(WINDOWS_1252, bytes), true),
            (Err(_), false) => (decode_single_byte(self.encoding, bytes), false),
        }
    }

    /// Encodes text.
    ///
    /// # Errors
    /// The first character that the charset does not have.
    pub(crate) fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        if self.encoding == UTF_8 {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        if let Some(character) = text.chars().find(|&character| self.is_latin_1 && character > 'ÿ') {
            return Err(character);
        }
        let mut encoder = self.encoding.new_encoder();
        // UTF-8 has at least one byte per character, so a single-byte charset always fits.
        let mut bytes = vec![0; text.len()];
        let (result, _, written) = encoder.encode_from_utf8_without_replacement(text, &mut bytes, true);
        match result {
            EncoderResult::Unmappable(character) => Err(character),
            EncoderResult::InputEmpty | EncoderResult::OutputFull => {
                bytes.truncate(written);
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// The name for an XML declaration.
    pub(crate) fn name(self) -> &'static str {
        if self.is_latin_1 { "ISO-8859-1" } else { self.encoding.name() }
    }
}

/// Decodes a single-byte charset. Where it leaves some bytes undefined, the value is decoded as Windows-1252 instead, in which
/// those bytes become the control characters of the same number.
fn decode_single_byte<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_label_does_not_cause_mojibake() {
        let latin = Charset::parse("iso-8859-1").unwrap();

        for (charset, bytes, is_other) in [
            (Charset::UTF_8, "Åsele".as_bytes(), false),
            (Charset::UTF_8, b"\xc5sele", true),
            (latin, b"\xc5sele", false),
            (latin, "Åsele".as_bytes(), true),
        ] {
            assert_eq!(charset.decode(bytes), (Cow::Borrowed("Åsele"), is_other));
        }
    }

    #[test]
    fn every_byte_decodes_in_every_charset() {
        let all: Vec<u8> = (0..=255).collect();

        for label in ["utf-8", "iso-8859-1", "windows-1252", "iso-8859-15", "iso-8859-3"] {
            let (text, _) = Charset::parse(label).unwrap().decode(&all);
            assert_eq!(text.chars().count(), 256, "{label}");
            assert!(!text.contains('\u{fffd}'), "{label}");
        }
    }

    #[test]
    fn encode_returns_the_unmappable_character() {
        let windows = Charset::parse("windows-1252").unwrap();
        assert_eq!(windows.encode("Åsele 5 €").unwrap().as_ref(), b"\xc5sele 5 \x80");
        assert_eq!(windows.encode("Åsele ✓"), Err('✓'));

        let latin = Charset::parse("ISO-8859-1").unwrap();
        assert_eq!(latin.encode("Åsele").unwrap().as_ref(), b"\xc5sele");
        assert_eq!((latin.encode("5 €"), latin.name()), (Err('€'), "ISO-8859-1"));
    }

    #[test]
    fn charsets_not_based_on_ascii_are_rejected() {
        for label in ["utf-16", "utf-16le", "shift_jis", "iso-2022-jp", "klingon", ""] {
            assert_eq!(Charset::parse(label), Err(UnknownCharset), "{label}");
        }
    }
}

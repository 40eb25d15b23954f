//! Character sets, which the legacy API never states reliably.
//!
//! Answers are decoded one text value at a time. A label is believed only as far as the bytes agree with it: what is not
//! valid under a UTF-8 label is read as Windows-1252, and what is valid multi-byte UTF-8 under a Latin label is read as
//! UTF-8, because such bytes occur in no real Latin text. No byte sequence is refused and no character is replaced.

use std::borrow::Cow;

use encoding_rs::{EncoderResult, Encoding, UTF_8, WINDOWS_1252};

/// A character set in which markup is ASCII: UTF-8 or a single-byte one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    encoding: &'static Encoding,
    /// Labels of ISO-8859-1 mean Windows-1252 on the web, which is right for reading. What is written must keep to the
    /// label, since the reader may.
    is_latin_1: bool,
}

/// A label that names no usable character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no character set that can be used: utf-8, iso-8859-1, windows-1252 and the like")]
pub struct UnknownCharset;

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self { encoding: UTF_8, is_latin_1: false };

    /// The character set with this label.
    ///
    /// # Errors
    /// [`UnknownCharset`] when nobody knows the label, and for character sets that are not supersets of ASCII.
    pub fn parse(label: &str) -> Result<Self, UnknownCharset> {
        let encoding = Encoding::for_label(label.trim().as_bytes());
        let encoding = encoding.filter(|encoding| *encoding == UTF_8 || encoding.is_single_byte()).ok_or(UnknownCharset)?;
        let is_windows = label.trim().to_ascii_lowercase().ends_with("1252");
        Ok(Self { encoding, is_latin_1: encoding == WINDOWS_1252 && !is_windows })
    }

    /// The text in these bytes, and whether they were read in another character set than this.
    pub(crate) fn decode(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        match (std::str::from_utf8(bytes), self.encoding == UTF_8) {
            (Ok(text), is_utf_8) => (Cow::Borrowed(text), !is_utf_8 && !text.is_ascii()),
            (Err(_), true) => (decode_single_byte(WINDOWS_1252, bytes), true),
            (Err(_), false) => (decode_single_byte(self.encoding, bytes), false),
        }
    }

    /// The text in this character set.
    ///
    /// # Errors
    /// The first character that it does not have.
    pub(crate) fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        if self.encoding == UTF_8 {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        if let Some(character) = text.chars().find(|&character| self.is_latin_1 && character > 'ÿ') {
            return Err(character);
        }
        let mut encoder = self.encoding.new_encoder();
        // A single-byte character set never needs more bytes than UTF-8 does.
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

    /// The name, as it stands in an XML declaration.
    pub(crate) fn name(self) -> &'static str {
        if self.is_latin_1 { "ISO-8859-1" } else { self.encoding.name() }
    }
}

/// The few bytes that a single-byte character set leaves undefined become the control characters of the same number,
/// which is what Windows does.
fn decode_single_byte<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_label_never_makes_mojibake() {
        let latin = Charset::parse("iso-8859-1").unwrap();
        for (charset, bytes, odd) in [
            (Charset::UTF_8, "Åsele".as_bytes(), false),
            (Charset::UTF_8, b"\xc5sele", true),
            (latin, b"\xc5sele", false),
            (latin, "Åsele".as_bytes(), true),
        ] {
            assert_eq!(charset.decode(bytes), (Cow::Borrowed("Åsele"), odd));
        }
    }

    #[test]
    fn every_byte_is_some_character_in_every_usable_charset() {
        let all: Vec<u8> = (0..=255).collect();
        for label in ["utf-8", "iso-8859-1", "windows-1252", "iso-8859-15", "iso-8859-3"] {
            let (text, _) = Charset::parse(label).unwrap().decode(&all);
            assert_eq!(text.chars().count(), 256, "{label}");
            assert!(!text.contains('\u{fffd}'), "{label}");
        }
    }

    #[test]
    fn a_character_that_the_charset_lacks_is_named() {
        let windows = Charset::parse("windows-1252").unwrap();
        assert_eq!(windows.encode("Åsele 5 €").unwrap().as_ref(), b"\xc5sele 5 \x80");
        assert_eq!(windows.encode("Åsele ✓"), Err('✓'));
        let latin = Charset::parse("ISO-8859-1").unwrap();
        assert_eq!(latin.encode("Åsele").unwrap().as_ref(), b"\xc5sele");
        assert_eq!((latin.encode("5 €"), latin.name()), (Err('€'), "ISO-8859-1"));
    }

    #[test]
    fn charsets_whose_markup_is_not_ascii_are_refused() {
        for label in ["utf-16", "utf-16le", "shift_jis", "iso-2022-jp", "klingon", ""] {
            assert_eq!(Charset::parse(label), Err(UnknownCharset), "{label}");
        }
    }
}

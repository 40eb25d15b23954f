//! Character sets, which the legacy API does not declare reliably.
//!
//! The charset is decided for each byte sequence of a value: valid UTF-8 is read as UTF-8 whatever is declared, because text in a
//! single-byte charset does not contain these sequences, and other bytes are read in the single-byte charset that is declared
//! or configured, otherwise as Windows-1252. A UTF-8 sequence that the end of the value cuts off is dropped if the value is
//! UTF-8 ([`TextDecoder::end_text`]). No other byte is rejected or replaced.

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
        let is_windows = label.trim().ends_with("1252");
        Ok(Self { encoding, is_latin_1: encoding == WINDOWS_1252 && !is_windows })
    }

    /// Decodes a value whose bytes must all be in this charset; `None` if some are not.
    pub(crate) fn decode_exactly(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        self.encoding.decode_without_bom_handling_and_without_replacement(bytes)
    }

    /// Encodes the text of an XML document, with numeric references for the characters that the charset does not have.
    pub(crate) fn encode_xml(self, text: String) -> Vec<u8> {
        if self.encoding == UTF_8 {
            return text.into_bytes();
        }
        if !self.is_latin_1 || text.chars().all(|character| character <= 'ÿ') {
            return self.encoding.encode(&text).0.into_owned();
        }
        let mut within = String::with_capacity(text.len());
        for character in text.chars() {
            if character <= 'ÿ' {
                within.push(character);
            } else {
                within.extend(["&#", &u32::from(character).to_string(), ";"]);
            }
        }
        self.encoding.encode(&within).0.into_owned()
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

/// Decodes the values of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextDecoder {
    /// The charset of bytes that are not UTF-8.
    single_byte: &'static Encoding,
    expects_utf_8: bool,
    /// Whether the document itself says that it is UTF-8.
    is_labelled_utf_8: bool,
}

/// What is known about the charset of one value, whose bytes may come in several pieces.
#[derive(Debug, Default)]
pub(crate) struct ValueCharset {
    /// Whether it has multi-byte UTF-8.
    has_utf_8: bool,
    /// Whether it has bytes that are not UTF-8.
    has_single_byte: bool,
    /// The bytes at the end of its last piece, if they may begin a UTF-8 sequence; the others are 0.
    incomplete: [u8; 3],
}

impl ValueCharset {
    /// Of a value that is UTF-8.
    pub(crate) fn of_utf_8(is_ascii: bool) -> Self {
        Self { has_utf_8: !is_ascii, ..Self::default() }
    }

    /// Whether bytes at the end of the last piece wait for the next one.
    pub(crate) const fn is_incomplete(&self) -> bool {
        self.incomplete[0] != 0
    }

    /// Records a piece that is UTF-8.
    pub(crate) const fn record(&mut self, text: &str) {
        self.has_utf_8 |= !text.is_ascii();
    }

    fn take_incomplete(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.incomplete).into_iter().filter(|byte| *byte != 0).collect()
    }
}

impl TextDecoder {
    /// For a document without label: with the configured charset.
    pub(crate) fn configured(charset: Charset) -> Self {
        let expects_utf_8 = charset.encoding == UTF_8;
        let single_byte = if expects_utf_8 { WINDOWS_1252 } else { charset.encoding };
        Self { single_byte, expects_utf_8, is_labelled_utf_8: false }
    }

    /// For a document with a label.
    pub(crate) fn labelled(label: Charset, configured: Charset) -> Self {
        if label.encoding == UTF_8 {
            Self { expects_utf_8: true, is_labelled_utf_8: true, ..Self::configured(configured) }
        } else {
            Self::configured(label)
        }
    }

    /// Whether values in UTF-8 are as expected.
    pub(crate) const fn expects_utf_8(self) -> bool {
        self.expects_utf_8
    }

    /// The next piece of a value if it is UTF-8 as expected.
    pub(crate) fn as_expected<'b>(self, bytes: &'b [u8], value: &mut ValueCharset) -> Option<&'b str> {
        let text = std::str::from_utf8(bytes).ok().filter(|_| self.expects_utf_8 && !value.is_incomplete())?;
        value.record(text);
        Some(text)
    }

    /// Decodes the next piece of a value. Returns also whether some of it is in another charset than expected.
    pub(crate) fn decode<'b>(self, bytes: &'b [u8], value: &mut ValueCharset) -> (Cow<'b, str>, bool) {
        if !value.is_incomplete()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            value.record(text);
            return (Cow::Borrowed(text), !self.expects_utf_8 && !text.is_ascii());
        }
        let bytes = [value.take_incomplete().as_slice(), bytes].concat();
        let mut text = String::with_capacity(bytes.len());
        let mut is_unexpected = false;
        let mut sequences = bytes.utf8_chunks().peekable();
        while let Some(sequence) = sequences.next() {
            text.push_str(sequence.valid());
            if !sequence.valid().is_ascii() {
                value.has_utf_8 = true;
                is_unexpected |= !self.expects_utf_8;
            }
            let invalid = sequence.invalid();
            if sequences.peek().is_none() && is_incomplete(invalid) {
                value.incomplete.iter_mut().zip(invalid).for_each(|(to, byte)| *to = *byte);
            } else if !invalid.is_empty() {
                text.push_str(&decode_single_byte(self.single_byte, invalid));
                value.has_single_byte = true;
                is_unexpected |= self.expects_utf_8;
            }
        }
        (Cow::Owned(text), is_unexpected)
    }

    /// Ends a value, or the part of it before a tag. Returns the text of the incomplete UTF-8 sequence at its end, and whether
    /// that is in another charset than expected. The text is empty if the value was cut: it has other multi-byte UTF-8, or its
    /// document is labelled UTF-8 and nothing in it says otherwise. Else the bytes are letters of a single-byte charset, as in
    /// `p\xe5`.
    pub(crate) fn end_text(self, value: &mut ValueCharset, is_whole: bool) -> (String, bool) {
        let incomplete = value.take_incomplete();
        if incomplete.is_empty() {
            (String::new(), false)
        } else if is_whole && (value.has_utf_8 || self.is_labelled_utf_8 && !value.has_single_byte) {
            (String::new(), true)
        } else {
            (decode_single_byte(self.single_byte, &incomplete).into_owned(), self.expects_utf_8)
        }
    }
}

impl Default for TextDecoder {
    fn default() -> Self {
        Self::configured(Charset::UTF_8)
    }
}

/// Whether these bytes are the beginning of a UTF-8 sequence.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
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
    use proptest::prelude::*;

    use super::*;

    fn labelled_utf_8() -> TextDecoder {
        TextDecoder::labelled(Charset::UTF_8, Charset::UTF_8)
    }

    fn latin() -> Charset {
        Charset::parse("iso-8859-1").unwrap()
    }

    /// Decodes a value in pieces. Returns also whether it was in another charset than expected.
    fn decode(decoder: TextDecoder, pieces: &[&[u8]]) -> (String, bool) {
        let (mut text, mut is_unexpected, mut value) = (String::new(), false, ValueCharset::default());
        for piece in pieces {
            let (next, unexpected) = decoder.decode(piece, &mut value);
            text += &next;
            is_unexpected |= unexpected;
        }
        let (end, unexpected) = decoder.end_text(&mut value, true);
        (text + &end, is_unexpected | unexpected)
    }

    #[test]
    fn wrong_label_does_not_cause_mojibake() {
        let (utf_8, latin) = (labelled_utf_8(), TextDecoder::labelled(latin(), Charset::UTF_8));

        for (decoder, bytes, is_other) in [
            (utf_8, "Åsele".as_bytes(), false),
            (utf_8, b"\xc5sele", true),
            (latin, b"\xc5sele", false),
            (latin, "Åsele".as_bytes(), true),
        ] {
            assert_eq!(decode(decoder, &[bytes]), ("Åsele".to_owned(), is_other));
        }
    }

    #[test]
    fn charset_is_decided_for_each_byte_sequence() {
        let decoders = [
            labelled_utf_8(),
            TextDecoder::configured(Charset::UTF_8),
            TextDecoder::configured(latin()),
            TextDecoder::labelled(latin(), Charset::UTF_8),
        ];
        for (bytes, text) in [
            (&b"p\xc3\xa5 \xd6vre \xc3\x85sgatan 1\xe2\x80\x932"[..], "på Övre Åsgatan 1–2"),
            (b"\xe5\xc3\xa5\xe5", "åå"),
            (b"\xc3\xa5\xc3\xa5\xe5 ", "ååå "),
            (b"\xc3\xc3\xa5", "Ãå"),
            (b"\xe2\x82 \xe2\x82\xac", "â‚ €"),
            (b"\xff\xfe\xc3\xa5", "ÿþå"),
            (b"\xed\xa0\xbd", "í\u{a0}½"),
        ] {
            for decoder in decoders {
                assert_eq!(decode(decoder, &[bytes]).0, text, "{decoder:?}");
            }
        }
    }

    #[test]
    fn incomplete_sequence_at_the_end_is_dropped_from_utf_8_only() {
        let unlabelled = TextDecoder::configured(Charset::UTF_8);
        let latin = TextDecoder::configured(latin());

        for (decoder, bytes, expected) in [
            (unlabelled, &b""[..], ("", false)),
            (unlabelled, b"p\xc3\xa5 \xc3", ("på ", true)),
            (unlabelled, b"p\xc3\xa5 \xe2\x80", ("på ", true)),
            (unlabelled, b"p\xc3\xa5 \xf0\x9f\x98", ("på ", true)),
            (unlabelled, b"p\xe5", ("på", true)),
            (unlabelled, b"\xe5 p\xe5", ("å på", true)),
            (unlabelled, b"p\xc3\xa5 \xf6", ("på ö", true)),
            (latin, b"p\xe5", ("på", false)),
            (latin, b"p\xc3\xa5 \xc3", ("på ", true)),
            (labelled_utf_8(), b"tg\xc3", ("tg", true)),
            (labelled_utf_8(), b"\xc3", ("", true)),
            (labelled_utf_8(), b"H\xe4r p\xe5", ("Här på", true)),
            (labelled_utf_8(), b"\xc3\xa5 H\xe4r p\xe5", ("å Här p", true)),
        ] {
            assert_eq!(decode(decoder, &[bytes]), (expected.0.to_owned(), expected.1), "{bytes:?} {decoder:?}");
        }
    }

    #[test]
    fn configured_charset_is_used_under_a_wrong_label() {
        let baltic = Charset::parse("iso-8859-13").unwrap();

        for decoder in [TextDecoder::labelled(Charset::UTF_8, baltic), TextDecoder::configured(baltic)] {
            assert_eq!(decode(decoder, &[b"\xf0\xc3\xa5"]).0, "šå");
        }
    }

    proptest! {
        #[test]
        fn mixtures_are_decoded_in_any_pieces(
            sequences in prop::collection::vec((any::<bool>(), "[a-zåäöÅÄÖ0-9 ]{1,6}"), 0..6), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let mut bytes = Vec::new();
            for (is_utf_8, text) in &sequences {
                // A space keeps a letter of one sequence from joining the next.
                let text = format!("{text} ");
                bytes.extend_from_slice(&if *is_utf_8 { text.as_bytes().into() } else { latin().encode(&text).unwrap() });
            }
            let expected: String = sequences.iter().flat_map(|(_, text)| [text, " "]).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|range| &bytes[range[0]..range[1]]).collect();

            for decoder in [labelled_utf_8(), TextDecoder::configured(latin())] {
                prop_assert_eq!(&decode(decoder, &pieces).0, &expected);
            }
        }
    }

    #[test]
    fn every_byte_decodes_in_every_charset() {
        let all: Vec<u8> = (0..=255).collect();

        for label in ["utf-8", "iso-8859-1", "windows-1252", "iso-8859-15", "iso-8859-3"] {
            let (text, _) = decode(TextDecoder::configured(Charset::parse(label).unwrap()), &[&all]);
            assert_eq!(text.chars().count(), 256, "{label}");
            assert!(!text.contains('\u{fffd}'), "{label}");
        }
    }

    #[test]
    fn other_bytes_than_those_of_the_charset_are_not_guessed() {
        let decode = |label: &str, bytes| Charset::parse(label).unwrap().decode_exactly(bytes).map(Cow::into_owned);
        assert_eq!(decode("utf-8", "på".as_bytes()).as_deref(), Some("på"));
        assert_eq!(decode("utf-8", b"p\xe5"), None);
        assert_eq!(decode("utf-8", b"p\xc3"), None);
        assert_eq!(decode("iso-8859-1", b"p\xe5").as_deref(), Some("på"));
        assert_eq!(decode("iso-8859-3", b"\xa5"), None);
    }

    #[test]
    fn characters_outside_the_charset_of_a_document_become_references() {
        let encode = |label: &str, text: &str| Charset::parse(label).unwrap().encode_xml(text.to_owned());
        assert_eq!(encode("utf-8", "<a>€ ✓</a>"), "<a>€ ✓</a>".as_bytes());
        assert_eq!(encode("windows-1252", "<a>å€✓</a>"), b"<a>\xe5\x80&#10003;</a>");
        assert_eq!(encode("iso-8859-1", "<a>å€✓😀</a>"), b"<a>\xe5&#8364;&#10003;&#128512;</a>");
        assert_eq!(encode("iso-8859-1", "<a>å\u{85}</a>"), b"<a>\xe5&#133;</a>");
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

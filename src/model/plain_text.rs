//! Short texts that every format can take as they stand.

use std::fmt;
use std::num::NonZeroU8;

/// A text of 1 to 15 characters without white space at its ends, all of them printable ASCII that neither JSON nor XML has
/// to escape. Nearly all short texts of an upstream are, and then they are checked once and need no allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PlainText {
    /// Spaces after the text.
    bytes: [u8; CAPACITY],
    length: NonZeroU8,
}

const CAPACITY: usize = 15;

/// Which bytes are printable ASCII that neither JSON nor XML has to escape. The texts are too short for vector instructions.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const IS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'"' | b'&' | b'<' | b'>' | b'\\');
        byte += 1;
    }
    table
};

impl PlainText {
    /// The text of these bytes, if it is plain.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [b' '; CAPACITY];
        for (to, byte) in bytes.get_mut(..text.len())?.iter_mut().zip(text) {
            if IS_PLAIN.get(usize::from(*byte)) != Some(&true) {
                return None;
            }
            *to = *byte;
        }
        let length = u8::try_from(text.len()).ok().and_then(NonZeroU8::new)?;
        (text.first() != Some(&b' ') && text.last() != Some(&b' ')).then_some(Self { bytes, length })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes).map_or("", |text| text.trim_end_matches(' '))
    }

    /// The text with spaces after it, and its length: it takes much less to copy a fixed number of bytes.
    #[must_use]
    pub const fn padded(&self) -> (&[u8; CAPACITY], usize) {
        (&self.bytes, self.length.get() as usize)
    }
}

impl fmt::Debug for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_printable_texts_are_plain() {
        for text in ["x", "3105", "KC0101A06", "Fiber 100 (x/y)", "it's ~ok~"] {
            assert_eq!(PlainText::new(text.as_bytes()).map(|text| text.as_str().to_owned()), Some(text.to_owned()));
        }
        for text in ["", " ", " x", "x ", "a\tb", "a\nb", "a\"b", "a&b", "a<b", "a>b", "a\\b", "å", "\u{7f}", "a\0b"] {
            assert_eq!(PlainText::new(text.as_bytes()), None, "{text}");
        }
        assert_eq!(PlainText::new(b"abcdefghijklmnop"), None, "16 characters");
    }
}

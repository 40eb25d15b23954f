//! Which kinds of bytes a short text has, found in one pass. Long texts are searched with vector instructions instead.

use super::entities::is_special;
use super::tag::{is_name_byte, is_white_space};

/// Kinds of bytes in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByteKinds(u8);

/// A byte of a name, the colon after a prefix excepted.
const NAME: u8 = 1;
/// Not white space.
const VISIBLE: u8 = 1 << 1;
/// Not ASCII.
const NON_ASCII: u8 = 1 << 2;
/// A byte that a decoded text does not always keep.
const SPECIAL: u8 = 1 << 3;
/// `<`, the start of a tag.
const TAG: u8 = 1 << 4;

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a table of all bytes, made at compile time")]
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut index = 0;
    while index < kinds.len() {
        let byte = index as u8;
        let mut kind = 0;
        if is_name_byte(byte) && byte != b':' {
            kind |= NAME;
        }
        if !is_white_space(byte) {
            kind |= VISIBLE;
        }
        if !byte.is_ascii() {
            kind |= NON_ASCII;
        }
        if is_special(byte) {
            kind |= SPECIAL;
        }
        if byte == b'<' {
            kind |= TAG;
        }
        kinds[index] = kind;
        index += 1;
    }
    kinds
};

#[inline]
fn kind(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(SPECIAL)
}

impl ByteKinds {
    /// The length of the text before the next tag, and what it consists of; `None` if no tag begins within `limit` bytes.
    pub(super) fn before_tag(bytes: &[u8], limit: usize) -> Option<(usize, Self)> {
        let mut kinds = 0;
        for (length, byte) in bytes.get(..limit).unwrap_or(bytes).iter().enumerate() {
            let kind = kind(*byte);
            if kind & TAG != 0 {
                return Some((length, Self(kinds)));
            }
            kinds |= kind;
        }
        None
    }

    /// Whether all bytes are white space.
    pub(super) const fn is_blank(self) -> bool {
        self.0 & VISIBLE == 0
    }

    pub(super) const fn is_ascii(self) -> bool {
        self.0 & NON_ASCII == 0
    }

    /// Whether [`super::entities::append`] would not change a text of these bytes, if it is UTF-8.
    pub(super) const fn is_plain(self) -> bool {
        self.0 & SPECIAL == 0
    }
}

/// The number of bytes of a name without prefix that these bytes begin with.
pub(super) fn name_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| kind(*byte) & NAME == 0).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::super::entities::{is_plain, is_plain_ascii};
    use super::*;

    #[test]
    fn kinds_of_a_text_agree_with_the_search_of_long_ones() {
        for byte in (0..=u8::MAX).filter(|byte| *byte != b'<') {
            let text = [b'a', byte, b'b', b'<'];
            let (length, kinds) = ByteKinds::before_tag(&text, usize::MAX).expect("a tag");

            assert_eq!((length, kinds.is_plain()), (3, is_plain(&text)), "{byte}");
            assert_eq!(kinds.is_plain() && kinds.is_ascii(), is_plain_ascii(&text), "{byte}");
        }
        assert_eq!(ByteKinds::before_tag(b" \t\r\n</a>", 8).map(|(length, kinds)| (length, kinds.is_blank())), Some((4, true)));
        assert_eq!(ByteKinds::before_tag(b"abc<", 3), None);
        assert_eq!(ByteKinds::before_tag(b"abc", 9), None);
    }
}

//! The mark before a message by which a repetition of it is known.
//!
//! The order's log is the only state there is, so what a message with an idempotency key must remember stands there:
//! `gw:` and 18 characters in front of the text, because what is too long for a column loses its end, not its beginning.

use std::fmt;

/// A mark: who sent it with which key, and what it said, as characters that tell nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyMarker {
    /// Twelve characters that stand for client, order and key.
    pub key_part: String,
    /// Six characters that stand for the message.
    pub content: String,
}

/// What a mark begins with.
const PREFIX: &str = "gw:";
/// Base 32 as RFC 4648 has it.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl IdempotencyMarker {
    /// The length of a reference, in characters.
    pub const REFERENCE: usize = 12;
    /// The length of what stands for the message.
    pub const CONTENT: usize = 6;

    /// Parts a text from the mark before it, if there is one. The order system may lay out a text anew, so white space of any
    /// kind may stand before the mark, and after it.
    #[must_use]
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let marked = text.trim_start().strip_prefix(PREFIX)?;
        let (mark, rest) = marked.split_at_checked(Self::REFERENCE + Self::CONTENT)?;
        let (reference, content) = mark.split_at_checked(Self::REFERENCE)?;
        let is_mark = mark.bytes().all(|byte| ALPHABET.contains(&byte));
        let text = if rest.is_empty() { rest } else { rest.strip_prefix(char::is_whitespace)? };
        is_mark.then(|| (Self { key_part: reference.to_owned(), content: content.to_owned() }, text))
    }
}

impl fmt::Display for IdempotencyMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}{}", self.key_part, self.content)
    }
}

/// The first `length` characters of these bytes in base 32, at most twelve: 5 bits each, the greatest first.
#[must_use]
pub fn base32(bytes: &[u8], length: usize) -> String {
    let number = bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let digit = |place: usize| {
        let bits = number >> (64 - 5 * (place + 1)) & 31;
        usize::try_from(bits).ok().and_then(|index| ALPHABET.get(index)).map_or('A', |letter| char::from(*letter))
    };
    (0..length.min(IdempotencyMarker::REFERENCE)).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_marked_text_is_parted_from_its_mark(
            key_part in "[A-Z2-7]{12}", content in "[A-Z2-7]{6}", text in "\\PC{0,40}", before in "\\s{0,3}", after in "\\s",
        ) {
            let marker = IdempotencyMarker { key_part, content };
            let marked = format!("{before}{marker}{after}{text}");
            prop_assert_eq!(IdempotencyMarker::split(&marked), Some((marker.clone(), text.as_str())));
            let cut = format!("{before}{marker}");
            prop_assert_eq!(IdempotencyMarker::split(&cut), Some((marker, "")));
        }

        #[test]
        fn any_other_text_has_none(text in "(gw:)?[A-Za-z0-9å ]{0,30}") {
            let looks_marked = text.len() >= 21 && text.starts_with("gw:")
                && text[3..].bytes().take(18).all(|byte| ALPHABET.contains(&byte))
                && text.as_bytes().get(21).is_none_or(|byte| *byte == b' ');
            prop_assert_eq!(IdempotencyMarker::split(&text).is_some(), looks_marked);
        }
    }

    #[test]
    fn base_32_is_that_of_rfc_4648() {
        assert_eq!(base32(b"foobar\0\0", 9), "MZXW6YTBO");
        assert_eq!(base32(&[0xff; 8], 12), "777777777777");
    }
}

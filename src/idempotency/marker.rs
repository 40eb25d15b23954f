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
        let is_mark = mark.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
        let text = if rest.is_empty() { rest } else { rest.strip_prefix(char::is_whitespace)? };
        is_mark.then(|| (Self { key_part: reference.to_owned(), content: content.to_owned() }, text))
    }
}

impl fmt::Display for IdempotencyMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}{}", self.key_part, self.content)
    }
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
                && text[3..].bytes().take(18).all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
                && text.as_bytes().get(21).is_none_or(|byte| *byte == b' ');
            prop_assert_eq!(IdempotencyMarker::split(&text).is_some(), looks_marked);
        }
    }
}

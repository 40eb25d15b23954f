//! The marker before a message in the log, by which a repetition of the message is recognised.
//!
//! It is `gw:` and 18 characters before the text: a column that truncates keeps the beginning.

use std::fmt;

/// A marker: signatures of the key's scope and of the message, which reveal neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyMarker {
    /// Twelve characters that stand for client, upstream, order and key.
    pub key_part: String,
    /// Six characters that stand for the message.
    pub content: String,
}

/// What every marker begins with.
const PREFIX: &str = "gw:";

impl IdempotencyMarker {
    /// Length of the key's part, in characters.
    pub const KEY_PART: usize = 12;
    /// Length of the message's part, in characters.
    pub const CONTENT: usize = 6;

    /// Splits a text into the marker before it, if there is one, and the rest. The legacy system may change the layout of a
    /// text, so any white space is accepted before and after the marker.
    #[must_use]
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let after_prefix = text.trim_start().strip_prefix(PREFIX)?;
        let (marker, rest) = after_prefix.split_at_checked(Self::KEY_PART + Self::CONTENT)?;
        let (key_part, content) = marker.split_at_checked(Self::KEY_PART)?;
        let is_marker = marker.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
        let text = if rest.is_empty() { rest } else { rest.strip_prefix(char::is_whitespace)? };
        is_marker.then(|| (Self { key_part: key_part.to_owned(), content: content.to_owned() }, text))
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
        fn a_marked_text_is_split(
            key_part in "[A-Z2-7]{12}", content in "[A-Z2-7]{6}", text in "\\PC{0,40}", before in "\\s{0,3}", after in "\\s",
        ) {
            let marker = IdempotencyMarker { key_part, content };
            let marked = format!("{before}{marker}{after}{text}");
            prop_assert_eq!(IdempotencyMarker::split(&marked), Some((marker.clone(), text.as_str())));
            let cut = format!("{before}{marker}");
            prop_assert_eq!(IdempotencyMarker::split(&cut), Some((marker, "")));
        }

        #[test]
        fn any_other_text_has_no_marker(text in "(gw:)?[A-Za-z0-9å ]{0,30}") {
            let looks_marked = text.len() >= 21 && text.starts_with("gw:")
                && text[3..].bytes().take(18).all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
                && text.as_bytes().get(21).is_none_or(|byte| *byte == b' ');
            prop_assert_eq!(IdempotencyMarker::split(&text).is_some(), looks_marked);
        }
    }
}

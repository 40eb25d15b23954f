//! The idempotency key that a client sends (`Idempotency-Key`).

use std::fmt;

/// An idempotency key: 16 to 128 letters, digits and `._~-`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A text that is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 to 128 letters, digits or ._~-, with quotes around it or without")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Parses a key; quotes around it are not part of it.
    ///
    /// # Errors
    /// If it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim_matches([' ', '\t']);
        let unquoted = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or(InvalidKey)?,
            None => text,
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        let fits = (16..=128).contains(&unquoted.len()) && unquoted.bytes().all(is_plain);
        fits.then(|| Self(unquoted.to_owned())).ok_or(InvalidKey)
    }

    /// The key without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Anyone who knows a key can have its message replayed, so it is never logged.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_16_to_128_characters_and_optional_quotes() {
        let key = |length: usize| "a".repeat(length);
        for (text, fits) in [
            (key(15), false),
            (key(16), true),
            (key(128), true),
            (key(129), false),
            (format!("\"{}\"", key(16)), true),
            (format!("\"{}", key(16)), false),
            (format!("{}\"", key(16)), false),
            (format!("\"{}\"", key(15)), false),
            ("AZaz09._~-AZaz09".to_owned(), true),
            ("AZaz09._~-AZaz0/".to_owned(), false),
            ("åååååååååååååååå".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(IdempotencyKey::parse(&text).is_ok(), fits, "{text}");
        }
        assert_eq!(IdempotencyKey::parse("\"0123456789abcdef\""), IdempotencyKey::parse("0123456789abcdef"));
    }
}

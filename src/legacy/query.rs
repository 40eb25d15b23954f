//! Query strings, in the character set of the upstream.

use std::borrow::Cow;
use std::fmt;

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;

use crate::charset::Charset;
use crate::model::compose;

/// The parameters of a call, in the order in which they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryParams(Vec<(Cow<'static, str>, String)>);

/// Writes a query string. Every byte with a meaning in query strings is percent-encoded, so that no value can inject another
/// parameter. Letters are composed, whatever the character set: old systems have no other form of them, or show it as two
/// characters.
#[derive(Debug)]
pub(crate) struct QueryWriter {
    text: String,
    charset: Charset,
}

/// Parameters that the legacy endpoint rejects. The text is the `message` of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidParams(pub(crate) &'static str);

/// A character that is not in the character set of the upstream: a letter with its combining marks, if it has no composed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnmappableCharacter(String);

/// As people write it, and its code points: an invisible character would show nothing else.
impl fmt::Display for UnmappableCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code_points: Vec<_> = self.0.chars().map(|character| format!("U+{:04X}", u32::from(character))).collect();
        write!(f, "\"{}\" ({})", self.0, code_points.join(" "))
    }
}

impl QueryParams {
    /// These parameters and one more.
    pub(crate) fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// The value of a parameter that must occur exactly once.
    pub(crate) fn get(&self, name: &str) -> Result<&str, InvalidParams> {
        let mut values = self.0.iter().filter(|(parameter, _)| parameter == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (Some(_), Some(_)) => Err(InvalidParams("a parameter is repeated")),
            (None, _) => Err(InvalidParams("a parameter is missing")),
        }
    }
}

impl QueryWriter {
    /// Room for a read; most calls are reads.
    const USUAL_BYTES: usize = 96;

    pub(crate) fn new(charset: Charset) -> Self {
        Self { text: String::with_capacity(Self::USUAL_BYTES), charset }
    }

    /// Appends a parameter.
    ///
    /// # Errors
    /// The first character that is not in the character set.
    pub(crate) fn append(&mut self, name: &str, value: &str) -> Result<(), UnmappableCharacter> {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.text.push('=');
        let value = compose(value);
        let bytes = self.charset.encode(&value).map_err(|character| unmappable(&value, character))?;
        self.text.extend(form_urlencoded::byte_serialize(&bytes));
        Ok(())
    }

    /// Appends parameters in their order.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(crate) fn append_all(&mut self, params: &QueryParams) -> Result<(), UnmappableCharacter> {
        params.0.iter().try_for_each(|(name, value)| self.append(name, value))
    }

    /// The query string.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// The first occurrence of a character in a text, with the letter or the combining marks that it belongs to.
fn unmappable(text: &str, character: char) -> UnmappableCharacter {
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let is_mark = |character: &char| classes.get_u8(*character) != 0;
    let (before, after) = text.split_once(character).unwrap_or((text, ""));
    let marks_before: Vec<_> = before.chars().rev().take_while(is_mark).collect();
    let letter = before.chars().rev().nth(marks_before.len()).filter(|_| is_mark(&character));
    let marks_before = marks_before.into_iter().rev().filter(|_| is_mark(&character));
    let marks_after = after.chars().take_while(is_mark);
    UnmappableCharacter(letter.into_iter().chain(marks_before).chain([character]).chain(marks_after).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(query: &str) -> QueryParams {
        form_urlencoded::parse(query.as_bytes())
            .fold(QueryParams::default(), |params, (name, value)| params.with(name.into_owned(), value))
    }

    fn encode(params: &QueryParams, charset: Charset) -> Result<String, UnmappableCharacter> {
        let mut query = QueryWriter::new(charset);
        query.append_all(params).map(|()| query.finish())
    }

    proptest! {
        #[test]
        fn any_text_is_encoded_as_one_parameter(name in "[a-z]{1,8}", value in any::<String>()) {
            let params = QueryParams::default().with(name.clone(), compose(&value)).with("type", "log");
            let query = encode(&params, Charset::UTF_8).unwrap();
            prop_assert_eq!(encode(&QueryParams::default().with(name, value).with("type", "log"), Charset::UTF_8).unwrap(), &*query);

            prop_assert!(query.is_ascii());
            prop_assert_eq!(query.matches('&').count(), 1);
            prop_assert_eq!(decode(&query), params);
        }
    }

    #[test]
    fn values_are_encoded_in_the_charset_of_the_upstream() {
        let latin = Charset::parse("iso-8859-1").unwrap();
        let params = QueryParams::default().with("message", "Å & b");

        assert_eq!(encode(&params, latin).unwrap(), "message=%C5+%26+b");
        // As macOS sends it.
        assert_eq!(encode(&QueryParams::default().with("message", "A\u{30a} & b"), latin), encode(&params, latin));
    }

    #[test]
    fn unmappable_characters_are_named_as_people_write_them() {
        let latin = Charset::parse("iso-8859-1").unwrap();
        for (text, name) in [
            ("5 ✓", "\"✓\" (U+2713)"),
            ("Жук", "\"Ж\" (U+0416)"),
            ("Ring A\u{30a}s\u{306}a", "\"s\u{306}\" (U+0073 U+0306)"),
            ("s\u{323}\u{306}a", "\"ṣ\u{306}\" (U+1E63 U+0306)"),
            ("И\u{306}", "\"Й\" (U+0419)"),
            ("\u{301}a", "\"\u{301}\" (U+0301)"),
            ("👩\u{200d}🔧", "\"👩\" (U+1F469)"),
            ("a\u{200b}b", "\"\u{200b}\" (U+200B)"),
        ] {
            let error = encode(&QueryParams::default().with("message", text), latin).unwrap_err();
            assert_eq!(error.to_string(), name, "{text}");
        }
    }
}

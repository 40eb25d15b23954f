//! The marker in a log entry, by which a repetition of its message is recognised.
//!
//! It is `gw:` and 18 characters before the text: a column that truncates keeps the beginning. Legacy systems put words before a
//! text, wrap it, change its case or its tags. So there are two ways to find a marker:
//!
//! - Who knows the key knows the marker, and finds its characters in the [`fold`]ed text, whatever stands around and between
//!   them. No other text has these characters, because they are a signature.
//! - [`IdempotencyMarker::split`] finds a marker whose key is not known, by its pattern alone, to show the text without it. What a
//!   person wrote must not be taken for one, so it is stricter.

use std::borrow::Cow;
use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::model::Message;

/// A marker: signatures of the key's scope and of the message, which reveal neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyMarker {
    /// Twelve characters that stand for client, upstream, order and key.
    pub key_part: String,
    /// Six characters that stand for the message.
    pub content: String,
}

/// What a text contains of a marker. The better match is the lesser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MarkerMatch {
    /// The marker, or its beginning at the end of a truncated text.
    Same,
    /// A marker of the same key and another message.
    SameKey,
    /// Neither.
    None,
}

/// What every marker begins with.
const PREFIX: &str = "gw:";
/// What it is in a folded text, also in one that was percent-encoded once too often (`gw%3A`).
const PREFIXES: [&str; 2] = ["gw", "gw3a"];

impl IdempotencyMarker {
    /// Length of the key's part, in characters.
    pub const KEY_PART: usize = 12;
    /// Length of the message's part, in characters.
    pub const CONTENT: usize = 6;

    /// Removes the marker from a text, if there is one. It may be in either case and anywhere. White space and invisible
    /// characters within it are accepted only where its case and digits exclude that they separate words.
    #[must_use]
    pub fn split(text: &str) -> Option<(Self, Cow<'_, str>)> {
        let starts = memchr::memchr2_iter(b'g', b'G', text.as_bytes());
        starts.filter(|start| !text[..*start].ends_with(char::is_alphanumeric)).find_map(|start| {
            let (marker, after) = parse(&text[start..])?;
            let before = text[..start].trim_start();
            let after = after.strip_prefix(char::is_whitespace).unwrap_or(after);
            let rest = if before.is_empty() { after.into() } else { format!("{before}{after}").into() };
            Some((marker, rest))
        })
    }

    /// Whether a log has an entry with this marker.
    #[must_use]
    pub fn is_in(&self, log: &[Message]) -> bool {
        let texts = log.iter().filter_map(|entry| entry.text.as_ref());
        texts.map(|text| self.search(&fold(text.expose()))).any(|found| found == MarkerMatch::Same)
    }

    /// Searches a folded text for this marker.
    pub(super) fn search(&self, folded: &str) -> MarkerMatch {
        let (key_part, content) = (self.key_part.to_lowercase(), self.content.to_lowercase());
        let mut found = MarkerMatch::None;
        for (position, _) in folded.match_indices(&key_part) {
            let after = &folded[position + key_part.len()..];
            // Without the prefix, a part of the marker may be a `reference` that a person wrote down.
            let is_prefixed = PREFIXES.iter().any(|prefix| folded[..position].ends_with(prefix));
            if after.starts_with(&content) || (is_prefixed && content.starts_with(after)) {
                return MarkerMatch::Same;
            }
            if is_prefixed {
                found = MarkerMatch::SameKey;
            }
        }
        found
    }
}

impl fmt::Display for IdempotencyMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}{}", self.key_part, self.content)
    }
}

/// The letters and digits of a text, in lower case and compatibility form, without tags and entities: what is left of a text in
/// whatever layout.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut text = Cow::from(text);
    if text.contains('&') {
        // Escaped once or twice.
        text = text.replace("&amp;", "&").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").into();
    }
    let text = without(&without(&text, '<', '>', 100), '&', ';', 10);
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(&text).to_lowercase();
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}

/// A text without what stands between two characters, if it begins with a letter, `/`, `!` or `#` and is no longer than `limit`.
fn without(text: &str, begin: char, end: char, limit: usize) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(begin) {
        kept.push_str(before);
        let is_markup = after.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '#'));
        // Searched up to the limit only, so that a text of nothing but beginnings takes no longer.
        let end = after.char_indices().take(limit).find(|(_, character)| *character == end).filter(|_| is_markup);
        rest = end.and_then(|(position, _)| after.get(position + 1..)).unwrap_or_else(|| {
            kept.push(begin);
            after
        });
    }
    kept + rest
}

/// Parses the marker that a text begins with, and returns what follows it.
fn parse(text: &str) -> Option<(IdempotencyMarker, &str)> {
    const LENGTH: usize = IdempotencyMarker::KEY_PART + IdempotencyMarker::CONTENT;
    let (prefix, after) = text.split_at_checked("gw".len()).filter(|(prefix, _)| prefix.eq_ignore_ascii_case("gw"))?;
    let after = after.trim_start_matches(is_ignorable).strip_prefix([':', '：'])?;
    let is_in_marker = |(_, character): &(usize, char)| is_base32(*character) || is_ignorable(*character);
    let in_marker = after.char_indices().take_while(is_in_marker).filter(|(_, character)| is_base32(*character)).take(LENGTH);
    let (positions, characters): (Vec<usize>, String) = in_marker.unzip();
    let (key_part, content) = characters.split_at_checked(IdempotencyMarker::KEY_PART)?;
    let (first, last) = (*positions.first()?, *positions.get(LENGTH - 1)?);
    let rest = after.get(last + 1..)?;
    // As the gateway writes it, which no sentence looks like.
    let is_as_written = prefix == "gw"
        && !characters.contains(|character: char| character.is_ascii_lowercase())
        && characters.contains(|character: char| character.is_ascii_digit());
    let is_one_word = first == 0 && last == LENGTH - 1 && !rest.starts_with(char::is_alphanumeric);
    let marker = IdempotencyMarker { key_part: key_part.to_ascii_uppercase(), content: content.to_ascii_uppercase() };
    (is_as_written || is_one_word).then_some((marker, rest))
}

/// Whether a character is of the alphabet of markers, in either case.
const fn is_base32(character: char) -> bool {
    matches!(character, 'A'..='Z' | 'a'..='z' | '2'..='7')
}

/// Whether a character is white space or invisible.
fn is_ignorable(character: char) -> bool {
    let is_invisible =
        matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}');
    character.is_whitespace() || is_invisible || character == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Option<(String, String)> {
        IdempotencyMarker::split(text).map(|(marker, text)| (marker.to_string(), text.into_owned()))
    }

    proptest! {
        #[test]
        fn a_marked_text_is_split(
            key_part in "[A-Z2-7]{12}", content in "[A-Z2-7]{6}", text in "\\PC{0,40}", before in "\\s{0,3}", after in "\\s",
        ) {
            let marker = IdempotencyMarker { key_part, content };
            let marked = format!("{before}{marker}{after}{text}");
            prop_assert_eq!(split(&marked), Some((marker.to_string(), text)));
            let cut = format!("{before}{marker}");
            prop_assert_eq!(split(&cut), Some((marker.to_string(), String::new())));
        }

        #[test]
        fn no_other_text_is_changed(text in "([gG][wW] ?: ?)?[A-Za-z0-9å ]{0,60}", key_part in "[A-Z2-7]{12}", content in "[A-Z2-7]{6}") {
            if let Some((marker, rest)) = split(&text) {
                let position = text.to_uppercase().find("GW").unwrap();
                prop_assert!(!text[..position].ends_with(char::is_alphanumeric));
                let folded = fold(&text);
                prop_assert!(folded.contains(&fold(&marker)) && fold(&rest).len() + 20 == folded.len());
            }
            // A signature of another text is not in it, by chance of at most 2⁻⁶⁰ for each position.
            let marker = IdempotencyMarker { key_part, content };
            prop_assert_eq!(marker.search(&fold(&text)), MarkerMatch::None);
        }

        #[test]
        fn markup_is_removed_from_any_text(text in "\\PC{0,80}") {
            prop_assert!(fold(&text).chars().all(char::is_alphanumeric));
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(fold(&escaped), fold(&text));
        }
    }

    #[test]
    fn patterns_are_markers_only_if_no_sentence_looks_like_them() {
        const MARKER: &str = "gw:ABCDEFGHIJKLMNOPQ2";
        for (text, rest) in [
            ("[TL] gw:ABCDEFGHIJKLMNOPQ2 Ring", Some("[TL] Ring")),
            ("<p>gw:ABCDEFGHIJKLMNOPQ2 Ring</p>", Some("<p>Ring</p>")),
            ("\"gw:ABCDEFGHIJKLMNOPQ2 Ring\"", Some("\"Ring\"")),
            ("Ring gw:ABCDEFGHIJKLMNOPQ2", Some("Ring ")),
            ("GW:ABCDEFGHIJKLMNOPQ2 RING", Some("RING")),
            ("gw:abcdefghijklmnopq2 ring", Some("ring")),
            ("gw:ABCDEFG\nHIJKLMNOPQ2 Ring", Some("Ring")),
            ("gw : ABCDEFGHI\u{ad}JKLMNOPQ2\u{a0}Ring", Some("Ring")),
            ("gw:ABCDEFGHIJKLMNOPQ2Ring", Some("Ring")),
            ("gw: ring 2 kunder efter lunch", None),
            ("GW: RING 2 KUNDER EFTER LUNCH", None),
            ("gw:installationsavdelning", None),
            ("agw:ABCDEFGHIJKLMNOPQ2 Ring", None),
            ("gw:ABCDEFGHIJKLMNOPQ Ring", None),
            ("gw:ABCDEFGHIJKLMNOP01 Ring", None),
            ("gw:ABCDEFGHIJKLMNOPÖ2 Ring", None),
        ] {
            assert_eq!(split(text), rest.map(|rest| (MARKER.to_owned(), rest.to_owned())), "{text}");
        }
    }
}

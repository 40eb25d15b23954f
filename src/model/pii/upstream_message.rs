//! Free text of the upstream about a failure, redacted before anyone reads it.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use super::redact::{mask, personal_data};

/// Maximum length of a displayed message, in characters.
const MAX_DISPLAYED: usize = 500;
/// Names of at least this many characters are redacted inside words too; shorter ones only as whole words, because they occur
/// in others by chance.
const LONG_NAME: usize = 6;
/// An excerpt of a text is redacted when it has at least this many characters.
const EXCERPT: usize = 12;

/// A message of the upstream. It may quote the request or name the customer, so callers redact every value they know before
/// they display it. `Debug` prints `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamMessage {
    text: String,
    /// Byte ranges of the original text to redact. Redacting at the end, because a masked value would hide others that overlap
    /// it.
    redacted: Vec<Range<usize>>,
}

impl UpstreamMessage {
    /// A message. White space and control characters become single spaces.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: normalize_spaces(text), redacted: Vec::new() }
    }

    /// Redacts a value or name, in any case.
    #[must_use]
    pub fn redact(mut self, name: &str) -> Self {
        let (text, name) = (fold_case(&self.text), fold_case(&normalize_spaces(name)));
        let starts = (0..text.len()).filter(|start| {
            let rest = text.get(*start..).unwrap_or_default();
            !name.is_empty()
                && rest.len() >= name.len()
                && rest.iter().zip(&name).all(|(in_text, in_name)| in_text.1 == in_name.1)
        });
        let is_match = |start: &usize| name.len() >= LONG_NAME || is_whole_word(&text, *start..start + name.len());
        let matches: Vec<_> = starts.filter(is_match).map(|start| byte_range(&text, start..start + name.len())).collect();
        self.redacted.extend(matches);
        self
    }

    /// Redacts a text and excerpts of it.
    #[must_use]
    pub fn redact_parts_of(self, text: &str) -> Self {
        let secret: Vec<char> = fold_case(&normalize_spaces(text)).into_iter().map(|(_, character)| character).collect();
        let excerpts: HashSet<&[char]> = secret.windows(EXCERPT).collect();
        let message = fold_case(&self.text);
        let characters: Vec<char> = message.iter().map(|(_, character)| *character).collect();
        let starts =
            characters.windows(EXCERPT).enumerate().filter(|(_, excerpt)| excerpts.contains(excerpt)).map(|(start, _)| start);
        let matches: Vec<_> = starts.map(|start| byte_range(&message, start..start + EXCERPT)).collect();
        let mut redacted = self.redact(text);
        redacted.redacted.extend(matches);
        redacted
    }

    /// The message for clients of any scope, truncated to 500 characters; `None` when it is empty. Identity numbers, phone
    /// numbers and e-mail addresses are masked too.
    #[must_use]
    pub fn to_display(&self) -> Option<String> {
        let Self { text, redacted } = self;
        display(text, personal_data(text).into_iter().chain(redacted.iter().cloned()).collect())
    }

    /// The message for clients who see personal data: only what was redacted is masked.
    #[must_use]
    pub fn to_full_display(&self) -> Option<String> {
        display(&self.text, self.redacted.clone())
    }
}

impl fmt::Debug for UpstreamMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

fn display(text: &str, masked: Vec<Range<usize>>) -> Option<String> {
    let displayed: String = mask(text, masked).chars().take(MAX_DISPLAYED).collect();
    (!displayed.is_empty()).then_some(displayed)
}

fn normalize_spaces(text: &str) -> String {
    let is_space = |character: char| character.is_whitespace() || character.is_control();
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The characters of a text in lower case, each with its byte position.
fn fold_case(text: &str) -> Vec<(usize, char)> {
    text.char_indices().map(|(position, character)| (position, character.to_lowercase().next().unwrap_or(character))).collect()
}

/// The byte range of a range of characters.
fn byte_range(text: &[(usize, char)], characters: Range<usize>) -> Range<usize> {
    // After the last character the range is open; `mask` ends it with the text.
    let position = |index: usize| text.get(index).map_or(usize::MAX, |(position, _)| *position);
    position(characters.start)..position(characters.end)
}

/// Whether no letter or digit adjoins these characters. A genitive `s` may, because Swedish adds it without an apostrophe.
fn is_whole_word(text: &[(usize, char)], characters: Range<usize>) -> bool {
    let continues = |index: Option<usize>| {
        index.and_then(|index| text.get(index)).is_some_and(|(_, character)| character.is_alphanumeric())
    };
    let is_genitive = text.get(characters.end).is_some_and(|(_, character)| *character == 's');
    let end = characters.end + usize::from(is_genitive);
    !continues(characters.start.checked_sub(1)) && !continues(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn displayed(text: &str, names: &[&str]) -> String {
        names.iter().fold(UpstreamMessage::new(text), |message, name| message.redact(name)).to_display().unwrap_or_default()
    }

    #[test]
    fn displayed_messages_are_masked_and_truncated() {
        assert_eq!(displayed("Ordern\rkan\u{7}inte  ändras\n", &[]), "Ordern kan inte ändras");
        assert_eq!(displayed("Kund 19121212-1212 saknas, tolvan@example.com", &[]), "Kund **** saknas, ****");
        assert_eq!(displayed("ring 070 174 0605@kväll", &[]), "ring ****");
        assert_eq!(UpstreamMessage::new(" \n ").to_display(), None);
        let full = UpstreamMessage::new("Kund 19121212-1212 saknas för 1234").redact("1234").to_full_display();
        assert_eq!(full.as_deref(), Some("Kund 19121212-1212 saknas för ****"));
        assert_eq!(displayed(&"å".repeat(501), &[]).chars().count(), 500);
    }

    #[test]
    fn names_are_redacted_anywhere_in_the_message() {
        assert_eq!(
            displayed("api_user 1234 (1234) finns inte, 12345, å1234", &["1234"]),
            "api_user **** (****) finns inte, 12345, å1234"
        );
        assert_eq!(displayed("BERGS väg, bergskam, Åberg", &["Berg"]), "****S väg, bergskam, Åberg");
        assert_eq!(displayed("TOLVAN TOLVANSSONS kort", &[" Tolvan", "Tolvansson\n"]), "**** ****S kort");
        assert_eq!(displayed("keys3cretkey4", &["s3cretkey"]), "key****4");
        assert_eq!(displayed("hej", &[""]), "hej");
    }

    #[test]
    fn overlapping_values_are_all_redacted() {
        assert_eq!(displayed("Berg 12 saknas", &["Berg", "Berg 12"]), "**** saknas");
        assert_eq!(displayed("kund 19121212-1234", &["1234"]), "kund ****");
        assert_eq!(displayed("Tolvans väg 3", &["Tolvan", "Tolvans väg 3"]), "****");
    }

    #[test]
    fn excerpts_of_a_text_are_redacted() {
        let displayed = |message: &str, text: &str| {
            UpstreamMessage::new(message).redact("Tolvan").redact_parts_of(text).to_display().unwrap_or_default()
        };
        let text = "Tolvan ligger på sjukhus,\nring 070-1740605 i stället";

        assert_eq!(displayed(&format!("Fel i '{text}'"), text), "Fel i '****'");
        assert_eq!(displayed("Fel i 'TOLVAN LIGGER PÅ SJ...'", text), "Fel i '****...'");
        assert_eq!(displayed("Fel i 'hej'", "hej"), "Fel i '****'");
        assert_eq!(displayed("Ordern kan inte ändras", text), "Ordern kan inte ändras");
    }
}

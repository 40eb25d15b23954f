//! What another system says in its own words.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use super::redact::{email_addresses, mask, numbers};

/// The longest sentence that is shown, in characters.
const MAX_SHOWN: usize = 500;
/// The length, in characters, from which a word is recognised wherever it stands: a shorter one must stand alone.
const LONG_WORD: usize = 6;
/// How many characters of a text in a row are taken for a part of it.
const PART: usize = 12;

/// A sentence that may repeat what nobody should read. What is known is taken out of it wherever it was said; only then it can
/// be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamMessage {
    text: String,
    /// What is not shown. Places in the text as it was said: what is masked cannot be recognised any more.
    hidden: Vec<Range<usize>>,
}

impl UpstreamMessage {
    /// What was said. White space and control characters become single spaces.
    #[must_use]
    pub fn new(said: &str) -> Self {
        Self { text: spaced(said), hidden: Vec::new() }
    }

    /// The same without this word or name, in capitals or not.
    #[must_use]
    pub fn redact(mut self, word: &str) -> Self {
        let (text, word) = (folded(&self.text), folded(&spaced(word)));
        let starts = (0..text.len()).filter(|start| {
            let rest = text.get(*start..).unwrap_or_default();
            !word.is_empty() && rest.len() >= word.len() && rest.iter().zip(&word).all(|(said, known)| said.1 == known.1)
        });
        let is_found = |start: &usize| word.len() >= LONG_WORD || stands_alone(&text, *start..start + word.len());
        let found: Vec<_> = starts.filter(is_found).map(|start| bytes(&text, start..start + word.len())).collect();
        self.hidden.extend(found);
        self
    }

    /// The same without this text, and without longer parts of it.
    #[must_use]
    pub fn redact_parts_of(self, text: &str) -> Self {
        let known: Vec<char> = folded(&spaced(text)).into_iter().map(|(_, character)| character).collect();
        let parts: HashSet<&[char]> = known.windows(PART).collect();
        let said = folded(&self.text);
        let characters: Vec<char> = said.iter().map(|(_, character)| *character).collect();
        let starts = characters.windows(PART).enumerate().filter(|(_, part)| parts.contains(part)).map(|(start, _)| start);
        let found: Vec<_> = starts.map(|start| bytes(&said, start..start + PART)).collect();
        let mut rest = self.redact(text);
        rest.hidden.extend(found);
        rest
    }

    /// What may be shown to everybody: personal identity numbers, phone numbers and e-mail addresses are masked too, and it is
    /// cut after 500 characters.
    #[must_use]
    pub fn to_display(&self) -> Option<String> {
        let Self { text, hidden } = self;
        let all = numbers(text).into_iter().chain(email_addresses(text)).chain(hidden.iter().cloned()).collect();
        let shown: String = mask(text, all).chars().take(MAX_SHOWN).collect();
        (!shown.is_empty()).then_some(shown)
    }
}

impl fmt::Debug for UpstreamMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

fn spaced(text: &str) -> String {
    let is_space = |character: char| character.is_whitespace() || character.is_control();
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The characters of a text in small letters, and where each begins.
fn folded(text: &str) -> Vec<(usize, char)> {
    text.char_indices().map(|(at, character)| (at, character.to_lowercase().next().unwrap_or(character))).collect()
}

/// Where these characters stand in the text, in bytes.
fn bytes(text: &[(usize, char)], characters: Range<usize>) -> Range<usize> {
    let at = |index: usize| text.get(index).map_or(usize::MAX, |(at, _)| *at);
    at(characters.start)..at(characters.end)
}

/// Whether no letter or digit stands beside these characters; names may be in the genitive.
fn stands_alone(text: &[(usize, char)], characters: Range<usize>) -> bool {
    let continues =
        |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|(_, character)| character.is_alphanumeric());
    let is_genitive = text.get(characters.end).is_some_and(|(_, character)| *character == 's');
    let end = characters.end + usize::from(is_genitive);
    !continues(characters.start.checked_sub(1)) && !continues(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(said: &str, words: &[&str]) -> String {
        words.iter().fold(UpstreamMessage::new(said), |sentence, word| sentence.redact(word)).to_display().unwrap_or_default()
    }

    #[test]
    fn a_sentence_is_made_presentable() {
        assert_eq!(shown("Ordern\rkan\u{7}inte  ändras\n", &[]), "Ordern kan inte ändras");
        assert_eq!(shown("Kund 19121212-1212 saknas, tolvan@example.com", &[]), "Kund **** saknas, ****");
        assert_eq!(shown("ring 070 174 0605@kväll", &[]), "ring ****");
        assert_eq!(UpstreamMessage::new(" \n ").to_display(), None);
        assert_eq!(shown(&"å".repeat(501), &[]).chars().count(), 500);
    }

    #[test]
    fn words_are_hidden_wherever_they_stand() {
        assert_eq!(
            shown("api_user 1234 (1234) finns inte, 12345, å1234", &["1234"]),
            "api_user **** (****) finns inte, 12345, å1234"
        );
        assert_eq!(shown("BERGS väg, bergskam, Åberg", &["Berg"]), "****S väg, bergskam, Åberg");
        assert_eq!(shown("TOLVAN TOLVANSSONS kort", &[" Tolvan", "Tolvansson\n"]), "**** ****S kort");
        assert_eq!(shown("keys3cretkey4", &["s3cretkey"]), "key****4");
        assert_eq!(shown("hej", &[""]), "hej");
    }

    #[test]
    fn what_is_hidden_hides_nothing_else() {
        assert_eq!(shown("Berg 12 saknas", &["Berg", "Berg 12"]), "**** saknas");
        assert_eq!(shown("kund 19121212-1234", &["1234"]), "kund ****");
        assert_eq!(shown("Tolvans väg 3", &["Tolvan", "Tolvans väg 3"]), "****");
    }

    #[test]
    fn a_text_is_recognised_by_its_parts() {
        let parts = |said: &str, text: &str| {
            UpstreamMessage::new(said).redact("Tolvan").redact_parts_of(text).to_display().unwrap_or_default()
        };
        let text = "Tolvan ligger på sjukhus,\nring 070-1740605 i stället";
        assert_eq!(parts(&format!("Fel i '{text}'"), text), "Fel i '****'");
        assert_eq!(parts("Fel i 'TOLVAN LIGGER PÅ SJ...'", text), "Fel i '****...'");
        assert_eq!(parts("Fel i 'hej'", "hej"), "Fel i '****'");
        assert_eq!(parts("Ordern kan inte ändras", text), "Ordern kan inte ändras");
    }
}

//! Resolves entities, normalises line ends and replaces characters that XML does not allow.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use html_escape::NAMED_ENTITIES;
use quick_xml::escape::resolve_xml_entity;

/// How a text violates XML although it can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TextAnomalies {
    /// It had an entity that XML does not define, or a bare `&`.
    pub(super) entity: bool,
    /// It had control characters, which were replaced.
    pub(super) control: bool,
}

/// Appends a decoded text, with entities resolved and line ends as line feeds. HTML's named entities are resolved and reported,
/// because XML does not define them. A bare `&`, an unknown name, or a number that is no code point is kept unchanged and
/// reported too.
pub(super) fn append(text: &str, out: &mut String) -> TextAnomalies {
    let mut cleaner = Cleaner::new(out);
    let mut entity = false;
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        cleaner.push_str(before);
        rest = match split_entity(from) {
            Some((Entity::Number(code_point), after)) => cleaner.push_code_point(code_point, after),
            Some((Entity::Named(characters, is_xml), after)) => {
                cleaner.push_str(characters);
                entity |= !is_xml;
                after
            }
            None => {
                cleaner.push_str("&");
                entity = true;
                from
            }
        };
    }
    cleaner.push_str(rest);
    TextAnomalies { entity, control: cleaner.has_replaced }
}

/// Appends text in which `&` has no meaning. Returns whether control characters were replaced.
pub(super) fn append_characters(text: &str, out: &mut String) -> bool {
    let mut cleaner = Cleaner::new(out);
    cleaner.push_str(text);
    cleaner.has_replaced
}

/// The text without the characters that XML does not allow, as it may be written.
pub(super) fn writable(text: &str) -> Cow<'_, str> {
    let is_allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    text.chars().filter(|character| is_allowed(*character)).collect()
}

/// Whether bytes are ASCII that [`append`] would not change: no entity, no line end but `\n`, no control character.
pub(super) fn is_plain_ascii(bytes: &[u8]) -> bool {
    !has_any(bytes, |byte| byte >= 0x7f || is_special(byte))
}

/// Whether bytes, if they are UTF-8, are a text that [`append`] would not change.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    !has_any(bytes, is_special)
}

/// Whether [`append`] may change a text with this byte.
pub(super) const fn is_special(byte: u8) -> bool {
    byte == b'&' || may_be_changed(byte)
}

/// Whether a byte may begin a character that [`Cleaner`] changes. 0xC2 begins U+0080 to U+00BF, and 0xEF U+F000 to U+FFFF.
const fn may_be_changed(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n') || matches!(byte, 0x7f | 0xc2 | 0xef)
}

/// A search without early exit, so that it compiles to vector instructions.
fn has_any(bytes: &[u8], is_special: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |special, &byte| special | is_special(byte))
}

/// Appends to a text, with line ends as line feeds, also those written as references, and without characters that cannot be
/// shown: the control characters from U+0080 on are those of Windows-1252, as in HTML, and all others become spaces, because
/// they separate words.
struct Cleaner<'o> {
    out: &'o mut String,
    follows_carriage_return: bool,
    has_replaced: bool,
}

impl<'o> Cleaner<'o> {
    const fn new(out: &'o mut String) -> Self {
        Self { out, follows_carriage_return: false, has_replaced: false }
    }

    fn push_str(&mut self, text: &str) {
        let is_changed = has_any(text.as_bytes(), may_be_changed) || self.follows_carriage_return;
        if is_changed {
            text.chars().for_each(|character| self.push(character));
        } else {
            self.out.push_str(text);
        }
    }

    fn push(&mut self, character: char) {
        let follows_carriage_return = std::mem::replace(&mut self.follows_carriage_return, character == '\r');
        match character {
            '\n' if follows_carriage_return => {}
            '\r' => self.out.push('\n'),
            '\t' | '\n' => self.out.push(character),
            '\u{80}'..='\u{9f}' => {
                self.has_replaced = true;
                let byte = u8::try_from(character).unwrap_or_default();
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(std::slice::from_ref(&byte));
                // It leaves five bytes undefined.
                self.out.push_str(if text.contains(char::is_control) { " " } else { &text });
            }
            '\0'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => self.push_replacement(),
            _ => self.out.push(character),
        }
    }

    fn push_replacement(&mut self) {
        self.has_replaced = true;
        self.follows_carriage_return = false;
        self.out.push(' ');
    }

    /// Pushes the character of a reference, and returns the text after it, which is `after` or what follows the second half of
    /// a surrogate pair at its start. A half without the other is replaced like a control character.
    fn push_code_point<'t>(&mut self, code_point: u32, after: &'t str) -> &'t str {
        if let Some(character) = char::from_u32(code_point) {
            self.push(character);
            return after;
        }
        let second = after.strip_prefix('&').and_then(split_entity);
        if let Some((Entity::Number(second), after)) = second
            && let [Ok(first), Ok(second)] = [code_point, second].map(u16::try_from)
            && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        {
            self.push(character);
            return after;
        }
        self.push_replacement();
        after
    }
}

enum Entity {
    /// A code point of Unicode, which may be half of a surrogate pair.
    Number(u32),
    /// The characters of a name, and whether XML defines it.
    Named(&'static str, bool),
}

/// The entity whose name or number this text begins with, after its `&`, and the text after it.
fn split_entity(text: &str) -> Option<(Entity, &str)> {
    let (name, after) = text.split_once([';', '&']).filter(|(name, _)| text.as_bytes().get(name.len()) == Some(&b';'))?;
    let entity = if let Some(number) = name.strip_prefix('#') {
        Entity::Number(code_point(number)?)
    } else if let Some(characters) = resolve_xml_entity(name) {
        Entity::Named(characters, true)
    } else {
        let index = NAMED_ENTITIES.binary_search_by_key(&name.as_bytes(), |(name, _)| name).ok()?;
        Entity::Named(NAMED_ENTITIES.get(index)?.1, false)
    };
    Some((entity, after))
}

fn code_point(number: &str) -> Option<u32> {
    let (digits, radix) = number.strip_prefix(['x', 'X']).map_or((number, 10), |digits| (digits, 16));
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let code_point = u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?;
    (code_point <= u32::from(char::MAX)).then_some(code_point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, bool) {
        let mut out = String::new();
        let anomalies = append(text, &mut out);
        (out, anomalies.entity)
    }

    #[test]
    fn xml_entities_are_resolved() {
        assert_eq!(read("a &amp; b &lt;c&gt; &quot;&apos; &#229;&#xE5;&#000000229;"), ("a & b <c> \"' ååå".to_owned(), false));
        assert_eq!(read("&#55357;&#56832;&#xD83D;&#xDE00;&#xd83d;&#56832;&#128512;&#x1F600;"), ("😀".repeat(5), false));
    }

    #[test]
    fn html_and_unknown_entities_are_reported() {
        assert_eq!(read("R&D &auml;ta &euro;; &"), ("R&D äta €; &".to_owned(), true));
        assert_eq!(read("&yuml;&nbsp;&rarr;&trade;"), ("ÿ\u{a0}→™".to_owned(), true));
        assert_eq!(read("&Scaron;&scaron;&OElig;&alpha;&Afr;&NotEqualTilde;"), ("ŠšŒα𝔄≂\u{338}".to_owned(), true));
        for unchanged in [
            "&unknown;",
            "&SCARON;",
            "&#1114112;",
            "&#99999999;",
            "&#x;",
            "&#;",
            "&#+1;",
            "&#12a;",
            "&;",
            "&&amp",
            "&auml",
            "&#229",
        ] {
            assert_eq!(read(unchanged), (unchanged.to_owned(), true), "{unchanged}");
        }
    }

    #[test]
    fn line_ends_are_normalised() {
        assert_eq!(read("a\r\nb\rc\n\rd").0, "a\nb\nc\n\nd");
        assert_eq!(read("a&#13;\nb&#xD;c&#13;&#10;d\r&#10;e\r&amp;\nf\r").0, "a\nb\nc\nd\ne\n&\nf\n");
    }

    #[test]
    fn control_characters_become_spaces() {
        for text in [
            "a\0b",
            "a\u{b}b",
            "a\u{1f}b",
            "a\u{7f}b",
            "a\u{81}b",
            "a\u{fffe}b",
            "a&#0;b",
            "a&#11;b",
            "a&#xB;b",
            "a&#x0b;b",
            "a&#x1F;b",
            "a&#127;b",
            "a&#129;b",
            "a&#xFFFE;b",
            "a&#65535;b",
            "a&#xD83D;b",
            "a&#xDE00;b",
        ] {
            let mut out = String::new();
            assert_eq!(append(text, &mut out), TextAnomalies { entity: false, control: true }, "{text}");
            assert_eq!(out, "a b", "{text}");
        }
        assert_eq!(read("&#xDE00;&#xD83D;&#xD83D;&#xDE00;").0, "  😀");
        assert_eq!(read("&#150;&#x80;&#x92;\u{96}\u{a0}§\u{feff}").0, "–€’–\u{a0}§\u{feff}");
        let mut out = String::new();
        assert!(append_characters("a\0b\u{1f}&amp;", &mut out));
        assert_eq!(out, "a b &amp;");
    }

    #[test]
    fn characters_that_xml_does_not_allow_are_not_written() {
        assert_eq!(writable("a\0b\u{b}\t\n\u{ffff}å😀"), "ab\t\nå😀");
    }
}

//! Resolves entities, normalises line ends and removes control characters.

use quick_xml::escape::{resolve_html5_entity, resolve_xml_entity};
use quick_xml::events::BytesRef;

/// How a text violates XML although it can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TextAnomalies {
    /// It had an entity that XML does not define, or a bare `&`.
    pub(super) entity: bool,
    /// It had control characters, which were removed.
    pub(super) control: bool,
}

/// Appends a decoded text, with entities resolved and line ends as line feeds. Named HTML entities are resolved and reported,
/// because XML does not define them. A bare `&`, an unknown name, or a number that is not a character is kept unchanged and
/// reported too.
pub(super) fn append(text: &str, out: &mut String) -> TextAnomalies {
    let mut anomalies = TextAnomalies::default();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        anomalies.control |= append_characters(before, out);
        let name = from.split_once([';', '&']).filter(|(name, _)| from.as_bytes().get(name.len()) == Some(&b';'));
        match name.and_then(|(name, after)| Some((resolve(name)?, after))) {
            Some((Entity::Character(character), after)) => {
                out.push(character);
                rest = after;
            }
            Some((Entity::Xml(characters), after)) => {
                out.push_str(characters);
                rest = after;
            }
            Some((Entity::Html(characters), after)) => {
                out.push_str(characters);
                anomalies.entity = true;
                rest = after;
            }
            None => {
                out.push('&');
                anomalies.entity = true;
                rest = from;
            }
        }
    }
    anomalies.control |= append_characters(rest, out);
    anomalies
}

/// Appends text in which `&` has no meaning. Returns whether control characters were removed.
pub(super) fn append_characters(text: &str, out: &mut String) -> bool {
    if !text.bytes().any(|byte| byte == b'\r' || is_control(byte)) {
        out.push_str(text);
        return false;
    }
    let length = out.len();
    let mut removed = false;
    let mut previous = '\0';
    for character in text.chars() {
        match character {
            '\n' if previous == '\r' && out.len() > length => {}
            '\r' => out.push('\n'),
            _ if u8::try_from(character).is_ok_and(is_control) => removed = true,
            _ => out.push(character),
        }
        previous = character;
    }
    removed
}

/// Whether bytes are ASCII that [`append`] would not change: no entity, no line end but `\n`, no control character. A fold
/// without early exit, so that it compiles to vector instructions.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let is_special = |byte: u8| byte >= 0x80 || byte == b'&' || byte < b' ' && !matches!(byte, b'\t' | b'\n');
    !bytes.iter().fold(false, |special, &byte| special | is_special(byte))
}

/// ASCII control characters that XML does not allow.
const fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// What an entity resolves to, and who defines it.
enum Entity {
    Character(char),
    Xml(&'static str),
    Html(&'static str),
}

fn resolve(name: &str) -> Option<Entity> {
    if name.starts_with('#') {
        let character = BytesRef::new(name).resolve_char_ref().ok().flatten()?;
        let is_allowed = !u8::try_from(character).is_ok_and(is_control);
        return is_allowed.then_some(Entity::Character(character));
    }
    let html = || resolve_html5_entity(name).filter(|characters| characters.chars().all(is_reliable)).map(Entity::Html);
    resolve_xml_entity(name).map(Entity::Xml).or_else(html)
}

/// Whether quick-xml's table of HTML entities can be trusted with this character. In 0.42 the code points from U+0100 to U+0FFF
/// and above U+FFFF have lost their last digit (`&Scaron;` is U+0016). No truncated code point falls into these ranges.
const fn is_reliable(character: char) -> bool {
    matches!(character, '\u{a0}'..='\u{ff}' | '\u{2000}'..)
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
    }

    #[test]
    fn html_and_unknown_entities_are_reported() {
        assert_eq!(read("R&D &auml;ta &euro;; &"), ("R&D äta €; &".to_owned(), true));
        assert_eq!(read("&yuml;&nbsp;&rarr;"), ("ÿ\u{a0}→".to_owned(), true));
        for unchanged in [
            "&Scaron;",
            "&alpha;",
            "&Afr;",
            "&unknown;",
            "&#0;",
            "&#x1F;",
            "&#xD800;",
            "&#99999999;",
            "&#x;",
            "&#+1;",
            "&;",
            "&&amp",
        ] {
            assert_eq!(read(unchanged), (unchanged.to_owned(), true), "{unchanged}");
        }
    }

    #[test]
    fn line_ends_are_normalised_and_control_characters_removed() {
        assert_eq!(read("a\r\nb\rc\n\rd"), ("a\nb\nc\n\nd".to_owned(), false));
        let mut out = String::new();
        assert!(append_characters("a\0b\u{1f}", &mut out));
        assert_eq!(append("R&amp;D\0", &mut out), TextAnomalies { entity: false, control: true });
        assert_eq!(out, "abR&D");
    }
}

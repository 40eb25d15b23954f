//! The characters in a text: entities, line ends, control characters.

/// What was odd about a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// It had an entity that is none in XML.
    pub(super) entity: bool,
    /// It had control characters, which were left out.
    pub(super) control: bool,
}

/// Appends a decoded text with its entities resolved and its line ends as line feeds. An entity that is none in XML is a bare
/// `&`, a number that is no character, or one of HTML's names. HTML's names for Latin letters are resolved, everything else
/// of that kind is kept as it stood.
pub(super) fn append(text: &str, out: &mut String) -> Odd {
    let mut odd = Odd::default();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        odd.control |= append_characters(before, out);
        let end = from.bytes().skip(1).take(MAX_NAME + 1).position(|byte| byte == b';');
        let reference = end.and_then(|end| from.get(1..=end));
        let resolved = reference.and_then(|name| resolve(name).map(|character| (name, character)));
        if let Some((name, (character, in_xml))) = resolved {
            out.push(character);
            odd.entity |= !in_xml;
            rest = from.get(name.len() + 2..).unwrap_or_default();
        } else {
            out.push('&');
            odd.entity = true;
            rest = from.get(1..).unwrap_or_default();
        }
    }
    odd.control |= append_characters(rest, out);
    odd
}

/// Appends text that has no entities. Returns whether control characters were left out.
pub(super) fn append_characters(text: &str, out: &mut String) -> bool {
    if !text.bytes().any(|byte| byte == b'\r' || is_control(byte)) {
        out.push_str(text);
        return false;
    }
    let length = out.len();
    let mut dropped = false;
    let mut previous = '\0';
    for character in text.chars() {
        match character {
            '\n' if previous == '\r' && out.len() > length => {}
            '\r' => out.push('\n'),
            _ if u8::try_from(character).is_ok_and(is_control) => dropped = true,
            _ => out.push(character),
        }
        previous = character;
    }
    dropped
}

/// Whether bytes are ASCII without anything that is looked at here: no entity, no line end but the one that stays, no control
/// character. Every byte is looked at, because compilers turn a loop without a way out into a few instructions.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let is_special = |byte: u8| byte >= 0x80 || byte == b'&' || byte < b' ' && !matches!(byte, b'\t' | b'\n');
    !bytes.iter().fold(false, |special, &byte| special | is_special(byte))
}

/// The longest name between `&` and `;` that is looked up.
const MAX_NAME: usize = 10;

/// ASCII control characters that XML does not allow.
const fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// The character of a reference, and whether XML knows it.
fn resolve(name: &str) -> Option<(char, bool)> {
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            return numeric(name).map(|character| (character, true)).or_else(|| html(name).map(|character| (character, false)));
        }
    };
    Some((character, true))
}

fn numeric(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let number = match digits.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    char::from_u32(number).filter(|character| !u8::try_from(*character).is_ok_and(is_control))
}

/// HTML's names for the characters from U+00A0 to U+00FF in their order, and some that Swedish text uses.
fn html(name: &str) -> Option<char> {
    const LATIN: [&str; 96] = [
        "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
        "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo",
        "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil",
        "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc",
        "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave",
        "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave",
        "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash",
        "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
    ];
    const OTHERS: [(&str, char); 9] = [
        ("euro", '€'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("hellip", '…'),
        ("bull", '•'),
    ];
    let latin = LATIN.iter().zip('\u{a0}'..='\u{ff}').find(|(known, _)| **known == name).map(|(_, character)| character);
    latin.or_else(|| OTHERS.into_iter().find(|(known, _)| *known == name).map(|(_, character)| character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, bool) {
        let mut out = String::new();
        let odd = append(text, &mut out);
        (out, odd.entity)
    }

    #[test]
    fn entities_of_xml_are_resolved() {
        assert_eq!(read("a &amp; b &lt;c&gt; &quot;&apos; &#229;&#xE5;"), ("a & b <c> \"' åå".to_owned(), false));
    }

    #[test]
    fn what_xml_does_not_know_is_read_leniently_and_told() {
        assert_eq!(read("R&D &auml;ta &euro;; &"), ("R&D äta €; &".to_owned(), true));
        assert_eq!(read("&yuml;&nbsp;"), ("ÿ\u{a0}".to_owned(), true));
        for kept in ["&unknown;", "&#0;", "&#x1F;", "&#xD800;", "&#99999999;", "&#x;", "&#+1;", "&;", "&&amp"] {
            assert_eq!(read(kept), (kept.to_owned(), true), "{kept}");
        }
    }

    #[test]
    fn line_ends_become_line_feeds_and_control_characters_go() {
        assert_eq!(read("a\r\nb\rc\n\rd"), ("a\nb\nc\n\nd".to_owned(), false));
        let mut out = String::new();
        assert!(append_characters("a\0b\u{1f}", &mut out));
        assert_eq!(append("R&amp;D\0", &mut out), Odd { entity: false, control: true });
        assert_eq!(out, "abR&D");
    }
}

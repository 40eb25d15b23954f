//! A text as a reader sees it: without the markup and the typography that hide a number or an address from a search.
//!
//! Entities are resolved (`&nbsp;`, `&#64;`, also escaped twice), tags are taken out, all kinds of blanks, dashes and decimal
//! digits become one, and invisible characters vanish. Each character remembers its bytes in the original text, so that what is
//! found here is redacted there.

use std::ops::Range;

use html_escape::NAMED_ENTITIES;

/// Separates the insides of tags, which follow the text, from it and from each other. No recogniser goes beyond it.
const BREAK: char = '\0';
/// Longest entity that is resolved, in bytes after the `&`.
const MAX_ENTITY: usize = 32;

/// A character of the normalised text, and the bytes of the original text that stand for it.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    character: char,
    start: usize,
    end: usize,
}

/// A normalised text. Positions count its characters.
#[derive(Debug)]
pub(super) struct Normalized {
    symbols: Vec<Symbol>,
}

impl Normalized {
    /// Normalises a text, in linear time.
    pub(super) fn new(text: &str) -> Self {
        Self { symbols: extract_tags(&unescape(text, false)) }
    }

    /// The same with `%40` and the like resolved. Digits may also follow a percent sign by chance, so this is a second reading
    /// and never the only one.
    pub(super) fn percent_decoded(text: &str) -> Self {
        Self { symbols: extract_tags(&unescape(text, true)) }
    }

    /// The number of characters.
    pub(super) const fn len(&self) -> usize {
        self.symbols.len()
    }

    /// The character at a position; `None` before the start, after the end, and at a break.
    pub(super) fn at(&self, position: Option<usize>) -> Option<char> {
        self.symbols.get(position?).map(|symbol| symbol.character).filter(|character| *character != BREAK)
    }

    /// The character before a position.
    pub(super) fn before(&self, position: usize) -> Option<char> {
        self.at(position.checked_sub(1))
    }

    /// The characters of a range, as far as the text goes.
    pub(super) fn characters(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = char> + Clone {
        let end = range.end.min(self.len());
        self.symbols.get(range.start..end).into_iter().flatten().map(|symbol| symbol.character)
    }

    /// The bytes of the original text that a range stands for: the whole text if it stands for none, so that a mistake never
    /// leaves anything unmasked.
    pub(super) fn bytes(&self, range: Range<usize>) -> Range<usize> {
        let symbols = self.symbols.get(range).unwrap_or_default();
        symbols.first().zip(symbols.last()).map_or(0..usize::MAX, |(first, last)| first.start..last.end)
    }
}

/// Resolves entities and unifies characters.
fn unescape(text: &str, is_percent_encoded: bool) -> Vec<Symbol> {
    let mut symbols = Vec::with_capacity(text.len());
    let mut start = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let escaped = match first {
            '&' => entity(rest),
            '%' if is_percent_encoded => percent_encoded(rest),
            _ => None,
        };
        let (character, length) = escaped.unwrap_or((first, first.len_utf8()));
        let end = start + length;
        symbols.extend(unify(character).map(|character| Symbol { character, start, end }));
        start = end;
        rest = text.get(end..).unwrap_or_default();
    }
    symbols
}

/// The character of the entity at the start of a text, and the length of the entity. `&amp;` before a name is skipped, because
/// texts are escaped twice.
fn entity(text: &str) -> Option<(char, usize)> {
    let mut name_start = 1;
    while text.get(name_start..).is_some_and(|rest| rest.starts_with("amp;")) {
        name_start += "amp;".len();
    }
    let name = text.get(name_start..)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let name_length = name.bytes().take(MAX_ENTITY).take_while(is_name).count();
    let name = name.get(..name_length)?;
    let has_end = text.as_bytes().get(name_start + name_length) == Some(&b';');
    let length = name_start + name_length + usize::from(has_end);
    let character = match name.strip_prefix('#') {
        Some(number) => {
            let hexadecimal = number.strip_prefix(['x', 'X']);
            let code = hexadecimal.map_or_else(|| number.parse(), |number| u32::from_str_radix(number, 16));
            char::from_u32(code.ok()?)
        }
        None if has_end || name == "nbsp" => {
            let index = NAMED_ENTITIES.binary_search_by_key(&name.as_bytes(), |(name, _)| name).ok();
            index.and_then(|index| NAMED_ENTITIES.get(index)?.1.chars().next())
        }
        None => None,
    };
    match character {
        Some(character) => Some((character, length)),
        // An escaped ampersand that begins no entity.
        None => (name_start > 1).then_some(('&', name_start)),
    }
}

/// The characters of addresses and numbers that URLs encode.
fn percent_encoded(text: &str) -> Option<(char, usize)> {
    let character = match text.get(1..3)? {
        "20" => ' ',
        "2B" | "2b" => '+',
        "2D" | "2d" => '-',
        "2E" | "2e" => '.',
        "40" => '@',
        _ => return None,
    };
    Some((character, 3))
}

/// One character for all that look or mean the same; `None` for what is not seen.
fn unify(character: char) -> Option<char> {
    match character {
        ' '..='~' => Some(character),
        '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        // Soft hyphens, combining marks, joiners, directional formatting, variation selectors: leftovers in copied text.
        '\u{ad}'
        | '\u{300}'..='\u{36f}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{20d0}'..='\u{20f0}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => None,
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{2e3a}' | '\u{2e3b}' | '\u{fe58}' | '\u{fe63}' => Some('-'),
        '\u{fe6b}' => Some('@'),
        // The fullwidth forms of ASCII, which East Asian keyboards type.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0),
        '\u{2800}' | '\u{3164}' => Some(' '),
        _ if character.is_whitespace() || character.is_control() => Some(' '),
        _ => Some(decimal_digit(character).unwrap_or(character)),
    }
}

/// The ASCII digit of a digit in another script or style.
fn decimal_digit(character: char) -> Option<char> {
    /// Zeros of scripts and styles with ten consecutive digits.
    const ZEROS: [char; 12] = [
        '\u{660}',
        '\u{6f0}',
        '\u{7c0}',
        '\u{966}',
        '\u{9e6}',
        '\u{e50}',
        '\u{2080}',
        '\u{1d7ce}',
        '\u{1d7d8}',
        '\u{1d7e2}',
        '\u{1d7ec}',
        '\u{1d7f6}',
    ];
    let offset = match character {
        '\u{b9}' => 1,
        '\u{b2}' | '\u{b3}' => u32::from(character) - 0xb0,
        '\u{2070}' | '\u{2074}'..='\u{2079}' => u32::from(character) - 0x2070,
        '\u{24ea}' => 0,
        '\u{2460}'..='\u{2468}' => u32::from(character) - 0x245f,
        _ => ZEROS.iter().find_map(|zero| u32::from(character).checked_sub(u32::from(*zero)).filter(|digit| *digit < 10))?,
    };
    char::from_digit(offset, 10)
}

/// Takes tags out of the text. What is inside them follows, each after a break: an attribute may hold an address.
fn extract_tags(symbols: &[Symbol]) -> Vec<Symbol> {
    let mut text = Vec::with_capacity(symbols.len());
    let mut insides: Vec<Symbol> = Vec::new();
    let mut position = 0;
    while let Some(symbol) = symbols.get(position) {
        let rest = symbols.get(position + 1..).unwrap_or_default();
        let tag = if symbol.character == '<' { tag_length(rest) } else { None };
        let Some(length) = tag else {
            text.push(*symbol);
            position += 1;
            continue;
        };
        let inside = rest.get(..length).unwrap_or_default();
        let end = rest.get(length).map_or(symbol.end, |close| close.end);
        text.extend(replacement(inside).map(|character| Symbol { character, start: symbol.start, end }));
        insides.push(Symbol { character: BREAK, ..*symbol });
        insides.extend(inside);
        position += length + 2;
    }
    text.append(&mut insides);
    text
}

/// The number of characters between `<` and `>`, if they enclose a tag: it begins with a name, and a `<` is never inside.
fn tag_length(after: &[Symbol]) -> Option<usize> {
    let characters = || after.iter().map(|symbol| symbol.character);
    let is_closing = after.first()?.character == '/';
    let mut name = characters().skip(usize::from(is_closing));
    if !name.next()?.is_ascii_alphabetic() {
        return None;
    }
    let follows_name = name.find(|character| !character.is_ascii_alphanumeric())?;
    let length = characters().position(|character| "<>".contains(character))?;
    let is_closed = after.get(length)?.character == '>';
    (is_closed && (follows_name.is_whitespace() || "/>".contains(follows_name))).then_some(length)
}

/// What stands for a tag in the text: a line end for elements that break lines, nothing for those that mark words.
fn replacement(inside: &[Symbol]) -> Option<char> {
    let name = inside.iter().map(|symbol| symbol.character.to_ascii_lowercase()).skip_while(|character| *character == '/');
    let name: String = name.take_while(char::is_ascii_alphanumeric).take(8).collect();
    match name.as_str() {
        "at" => Some('@'),
        "br" | "p" | "div" | "li" | "td" | "th" | "tr" | "hr" | "ul" | "ol" | "table" | "h1" | "h2" | "h3" | "h4" => Some('\n'),
        _ => None,
    }
}

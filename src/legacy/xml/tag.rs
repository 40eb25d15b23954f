//! Names and attributes in tags.

use super::Malformed;

/// Whether these bytes are a valid name.
fn is_name(name: &[u8]) -> bool {
    has_valid_name_ends(name) && name.iter().all(|byte| is_name_byte(*byte))
}

/// Whether a sequence of name bytes is a valid name: digits, `-` and `.` must not be first, and `:` must not be last.
#[inline]
pub(super) fn has_valid_name_ends(bytes: &[u8]) -> bool {
    let has_valid_start = bytes.first().is_some_and(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'.'));
    has_valid_start && bytes.last() != Some(&b':')
}

/// The name bytes at the start of a tag, and the length of the prefix among them, colon included.
pub(super) fn split_name(tag: &[u8]) -> (&[u8], usize) {
    let mut prefix = 0;
    for (index, byte) in tag.iter().enumerate() {
        if !is_name_byte(*byte) {
            return (tag.split_at(index).0, prefix);
        }
        if *byte == b':' && prefix == 0 {
            prefix = index + 1;
        }
    }
    (tag, prefix)
}

/// Whether a byte is white space in XML; a form feed is a control character.
#[inline]
pub(super) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a name may contain this byte.
#[inline]
pub(super) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.' | 0x80..)
}

/// Calls `on_attribute` with the name and value of each attribute. Nothing is stored, because their number is unbounded.
pub(super) fn each_attribute<'b>(
    mut rest: &'b [u8],
    mut on_attribute: impl FnMut(&'b [u8], &'b [u8]),
) -> Result<(), Malformed> {
    const INVALID: Malformed = Malformed("a tag has an invalid attribute");
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            return Ok(());
        }
        let equals = memchr::memchr(b'=', trimmed).ok_or(INVALID)?;
        let (name, value) = trimmed.split_at(equals);
        let name = name.trim_ascii_end();
        let value = value.split_at("=".len()).1.trim_ascii_start();
        let (quote, value) = value.split_first().ok_or(INVALID)?;
        let end = memchr::memchr(*quote, value).filter(|_| matches!(quote, b'"' | b'\'')).ok_or(INVALID)?;
        let (value, after) = value.split_at(end);
        if trimmed.len() == rest.len() || !is_name(name) {
            return Err(INVALID);
        }
        on_attribute(name, value);
        rest = after.split_at(1).1;
    }
}

//! What stands inside a tag.

use super::Malformed;

/// Whether these bytes are a name.
fn is_name(name: &[u8]) -> bool {
    has_ends_of_name(name) && name.iter().all(|byte| is_name_byte(*byte))
}

/// Whether bytes that a name may have are one: not every such byte may stand first or last.
pub(super) fn has_ends_of_name(bytes: &[u8]) -> bool {
    let begins_well = bytes.first().is_some_and(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'.'));
    begins_well && bytes.last() != Some(&b':')
}

/// The bytes in front that a name may have, and the length of a prefix among them.
pub(super) fn split_name(tag: &[u8]) -> (&[u8], usize) {
    let mut prefix = 0;
    for (index, byte) in tag.iter().enumerate() {
        if !is_name_byte(*byte) {
            return (tag.get(..index).unwrap_or_default(), prefix);
        }
        if *byte == b':' && prefix == 0 {
            prefix = index + 1;
        }
    }
    (tag, prefix)
}

/// Whether a byte is white space in XML; a form feed is a control character.
pub(super) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a name may have this byte.
pub(super) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.' | 0x80..)
}

/// Shows every attribute with its value. Their number is not bounded here, so nothing is kept of them.
pub(super) fn each_attribute<'b>(mut rest: &'b [u8], mut see: impl FnMut(&'b [u8], &'b [u8])) -> Result<(), Malformed> {
    const BROKEN: Malformed = Malformed("a tag has a broken attribute");
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            return Ok(());
        }
        let equals = memchr::memchr(b'=', trimmed).ok_or(BROKEN)?;
        let (name, value) = trimmed.split_at(equals);
        let value = value.get(1..).unwrap_or_default().trim_ascii_start();
        let (quote, value) = value.split_first().ok_or(BROKEN)?;
        let end = memchr::memchr(*quote, value).filter(|_| matches!(quote, b'"' | b'\'')).ok_or(BROKEN)?;
        let name = name.trim_ascii_end();
        if trimmed.len() == rest.len() || !is_name(name) {
            return Err(BROKEN);
        }
        see(name, value.get(..end).unwrap_or_default());
        rest = value.get(end + 1..).unwrap_or_default();
    }
}

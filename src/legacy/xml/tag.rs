//! What stands inside a tag.

use super::Malformed;

/// Whether these bytes are a name.
pub(super) fn is_name(name: &[u8]) -> bool {
    has_ends_of_name(name) && name.iter().all(|byte| is_name_byte(*byte))
}

/// Whether bytes that a name may have are one: not every such byte may stand first or last.
pub(super) fn has_ends_of_name(bytes: &[u8]) -> bool {
    let begins_well = bytes.first().is_some_and(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'.'));
    begins_well && bytes.last() != Some(&b':')
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

//! What stands inside a tag.

use super::Malformed;

/// Whether these bytes are a name.
pub(super) fn is_name(name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..);
    name.first().is_some_and(is_letter)
        && name.last() != Some(&b':')
        && name.iter().all(|byte| is_letter(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
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

//! Addresses of devices and other codes with a fixed shape, which stay: IPv4, IPv6, MAC, UUID.

use super::groups::Groups;
use super::identity::{has_check_digit, is_plausible};

/// Longest address, and how far one is searched before a group of digits.
const MAX_ADDRESS: usize = 48;

/// The number of groups of the address that this group belongs to.
pub(super) fn address(groups: &Groups<'_>, first: usize) -> Option<usize> {
    if is_ipv4(groups, first) {
        return Some(4);
    }
    let start = groups.start(first);
    let is_part = |character: &char| character.is_ascii_alphanumeric() || ":-.".contains(*character);
    let before = groups.text.characters(start.saturating_sub(MAX_ADDRESS)..start).rev().take_while(is_part).count();
    let after: String = groups.text.characters(start - before..start + MAX_ADDRESS).take_while(is_part).collect();
    let trimmed = after.trim_end_matches([':', '-', '.']);
    // A word may announce the address: `MAC:00:11:22:33:44:55`.
    let is_word = |word: &str| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let announced = trimmed.split_once([':', '-', '.']).filter(|(word, _)| is_word(word)).map(|(_, code)| code);
    let code = announced.unwrap_or(trimmed);
    let is_code = is_mac(code) || is_uuid(code) || is_ipv6(code);
    is_code.then(|| groups.count_before(first, start - before + trimmed.chars().count()))
}

/// `10.0.0.1`
fn is_ipv4(groups: &Groups<'_>, first: usize) -> bool {
    let has_value = |index: usize| groups.value(index) <= Some(255) && groups.length(index) <= 3 && groups.length(index) > 0;
    let is_canonical = |index: usize| groups.length(index) == 1 || groups.digits(index..index + 1).first() != Some(&0);
    let is_dotted = (first + 1..first + 4).all(|index| groups.glue(index) == Some('.'));
    let is_part = |index: usize| groups.glue(index) == Some('.');
    is_dotted
        && (first..first + 4).all(|index| has_value(index) && is_canonical(index))
        && !is_part(first)
        && !is_part(first + 4)
}

/// `00:11:22:33:44:55`, `00-11-22-33-44-55`, `0011.2233.4455`. Six pairs of an identity number are none.
fn is_mac(code: &str) -> bool {
    let has_parts = |separator: char, count: usize, length: usize| {
        code.split(separator).count() == count && code.split(separator).all(|part| part.len() == length && is_hexadecimal(part))
    };
    let digits: Vec<u8> = code.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    let is_identity = digits.len() == 12 && is_plausible(&digits) && has_check_digit(&digits);
    (has_parts(':', 6, 2) || has_parts('-', 6, 2) || has_parts('.', 3, 4)) && !is_identity
}

/// `550e8400-e29b-41d4-a716-446655440000`
fn is_uuid(code: &str) -> bool {
    let lengths: Vec<usize> = code.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && code.split('-').all(is_hexadecimal)
}

/// `2001:db8::1`
fn is_ipv6(code: &str) -> bool {
    let is_short = |part: &str| part.len() <= 4 && (part.is_empty() || is_hexadecimal(part));
    let is_complete = code.split(':').count() == 8 || code.matches("::").count() == 1;
    let has_letter = code.bytes().any(|byte| byte.is_ascii_alphabetic());
    code.split(':').count() > 2 && code.split(':').all(is_short) && is_complete && (has_letter || code.split(':').count() == 8)
}

fn is_hexadecimal(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

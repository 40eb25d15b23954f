//! Personal data in free text.

/// What stands in the place of masked data.
const MASK: &str = "****";
/// The longest phone number.
const MAX_DIGITS: usize = 15;

/// The text with personal identity numbers, phone numbers and e-mail addresses replaced by `****`.
///
/// Numbers are looked at in groups of digits with one space or hyphen (or `+`, which centenarians have) between them:
/// 10 digits or more in a row, 6 or 8 digits followed by 4, and 7 to 15 digits in all that begin with `0` or `+` and are
/// not joined to digits before them.
#[must_use]
pub fn mask_personal_data(text: &str) -> String {
    let without_addresses = mask_email_addresses(text);
    mask_numbers(&without_addresses)
}

/// The text with every occurrence of a word replaced by `****`, where it stands alone.
#[must_use]
pub fn mask_word(text: &str, word: &str) -> String {
    let continues = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (start, found) in text.match_indices(word).filter(|_| !word.is_empty()) {
        let (before, after) = (&text[done..start], start + found.len());
        let is_alone = !continues(text[..start].chars().next_back()) && !continues(text[after..].chars().next());
        masked.push_str(before);
        masked.push_str(if is_alone { MASK } else { found });
        done = after;
    }
    masked.push_str(&text[done..]);
    masked
}

fn mask_email_addresses(text: &str) -> String {
    let is_part = |character: char| character.is_alphanumeric() || "._%+-@'".contains(character);
    let mut masked = String::with_capacity(text.len());
    for piece in split_keeping(text, is_part) {
        let is_address = piece.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        masked.push_str(if is_address { MASK } else { piece });
    }
    masked
}

fn mask_numbers(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, ' ' | '-' | '+');
    let mut masked = String::with_capacity(text.len());
    for piece in split_keeping(text, is_part) {
        if piece.bytes().any(|byte| byte.is_ascii_digit()) {
            mask_groups(piece, &mut masked);
        } else {
            masked.push_str(piece);
        }
    }
    masked
}

/// Masks the numbers in a text of digits, spaces, hyphens and plus signs.
fn mask_groups(piece: &str, masked: &mut String) {
    let mut rest = piece;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count().max(1);
        let number = identity_length(rest).or_else(|| (previous == ' ').then(|| phone_length(rest)).flatten());
        let (used, after) = rest.split_at(number.unwrap_or(digits));
        masked.push_str(if number.is_some() { MASK } else { used });
        previous = used.chars().last().unwrap_or(first);
        rest = after;
    }
}

/// How long the identity number is that the text begins with.
fn identity_length(text: &str) -> Option<usize> {
    match groups(text).as_slice() {
        [(_, 6 | 8), (end, 4), ..] | [(end, 10..), ..] => Some(*end),
        _ => None,
    }
}

/// How long the phone number is that the text begins with.
fn phone_length(text: &str) -> Option<usize> {
    if !text.starts_with(['0', '+']) {
        return None;
    }
    let totals = groups(text).into_iter().scan(0, |total, (end, digits)| {
        *total += digits;
        Some((end, *total))
    });
    totals.take_while(|(_, total)| *total <= MAX_DIGITS).filter(|(_, total)| *total >= 7).map(|(end, _)| end).last()
}

/// The groups of digits that the text begins with, one separator apart: where each ends, and its number of digits. No more
/// than a number can have, or a long row of digits would be looked at again and again.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut groups = Vec::new();
    let mut at = usize::from(text.starts_with('+'));
    loop {
        let digits = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || groups.len() > MAX_DIGITS {
            return groups;
        }
        at += digits;
        groups.push((at, digits));
        at += 1;
    }
}

/// Cuts the text where characters begin or end to fit.
fn split_keeping(text: &str, fits: impl Fn(char) -> bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind = fits(first);
        let end = rest.find(|character| fits(character) != kind).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_are_masked_in_every_spelling() {
        for number in
            ["191212121212", "19121212-1212", "19121212 1212", "1212121212", "121212-1212", "121212+1212", "19191212121212"]
        {
            assert_eq!(mask_personal_data(&format!("Kund ({number}) finns")), "Kund (****) finns", "{number}");
        }
    }

    #[test]
    fn phone_numbers_and_addresses_are_masked() {
        for number in
            ["0701740605", "070-174 06 05", "070-1740605", "+46701740605", "+46 70 174 06 05", "0046701740605", "090-12 34 56"]
        {
            assert_eq!(mask_personal_data(&format!("Ring {number}.")), "Ring ****.", "{number}");
        }
        assert_eq!(mask_personal_data("Mail <order@example.net>, tack"), "Mail <****>, tack");
    }

    #[test]
    fn a_word_is_masked_where_it_stands_alone() {
        assert_eq!(mask_word("api_user 1234 (1234) finns inte", "1234"), "api_user **** (****) finns inte");
        assert_eq!(mask_word("Order 12345, 51234, å1234", "1234"), "Order 12345, 51234, å1234");
        assert_eq!(mask_word("", "1234"), "");
        assert_eq!(mask_word("hej", ""), "hej");
    }

    #[test]
    fn other_numbers_stay() {
        let text = "Order 20417 den 2016-03-14 09:05:00, tjänst 3105, 100/100 Mbit/s, 100 %, 508-004-06-0302";
        assert_eq!(mask_personal_data(text), text);
    }
}

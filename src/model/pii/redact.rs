//! Redacts PII in free text: identity numbers, phone numbers and e-mail addresses.
//!
//! The text is cut into groups of digits. A number is one or more groups that only a few separators divide, and that begin or
//! divide as such a number does. When in doubt, too much is redacted rather than too little.

use std::ops::{Range, RangeInclusive};

/// Replacement of redacted text.
const MASK: &str = "****";
/// Number of digits of a phone number.
const PHONE: RangeInclusive<usize> = 7..=15;
/// A single group of at least this many digits counts as an identity number, whatever the digits are.
const MIN_IDENTITY_DIGITS: usize = 10;
/// Maximum number of separators, apart from white space, between two groups of one number.
const MAX_SEPARATORS: usize = 3;

/// Replaces personal identity numbers, phone numbers and e-mail addresses by `****`.
///
/// People write numbers in groups with all kinds of separators: spaces, dashes, full stops, slashes, brackets, line ends. An
/// identity number is a group of at least ten digits, or a date of six or eight digits in groups of even length that is
/// followed by a group of four. A phone number begins with `0` or `+` and has 7 to 15 digits; it ends where another number
/// begins.
#[must_use]
pub fn mask_personal_data(text: &str) -> String {
    mask(text, numbers(text).into_iter().chain(email_addresses(text)).collect())
}

/// Replaces these byte ranges by `****`; overlapping ranges become one.
#[expect(clippy::expect_used, reason = "a range that is not in the text must not become a text without it")]
pub(super) fn mask(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        if range.start >= done && range.start < range.end {
            masked.push_str(text.get(done..range.start).expect("ranges begin at characters of the text"));
            masked.push_str(MASK);
        }
        // A range may be open: it ends with the text.
        done = done.max(range.end.min(text.len()));
    }
    masked.push_str(text.get(done..).expect("ranges end at characters of the text"));
    masked
}

/// Byte ranges of e-mail addresses.
pub(super) fn email_addresses(text: &str) -> Vec<Range<usize>> {
    /// Punctuation around an address that could also be part of it.
    const PUNCTUATION: [char; 4] = ['.', '!', '?', '\''];
    let is_part = |character: char| !character.is_whitespace() && !"<>(),;:\"".contains(character);
    let mut position = 0;
    let mut ranges = Vec::new();
    for piece in split_keeping(text, is_part) {
        let address = piece.trim_start_matches(PUNCTUATION);
        let start = position + piece.len() - address.len();
        let address = address.trim_end_matches(PUNCTUATION);
        if address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()) {
            ranges.push(start..start + address.len());
        }
        position += piece.len();
    }
    ranges
}

/// A group of digits.
#[derive(Debug)]
struct Group {
    bytes: Range<usize>,
    digits: usize,
    /// Number of leading zeros.
    zeros: usize,
    /// Byte range between the previous group and this one, when both may belong to one number.
    gap: Option<Range<usize>>,
    /// Position of a `+` before the group.
    plus: Option<usize>,
}

/// Byte ranges of personal identity numbers and phone numbers.
pub(super) fn numbers(text: &str) -> Vec<Range<usize>> {
    let groups = groups(text);
    let mut ranges = Vec::new();
    let (mut next, mut is_after_number) = (0, false);
    while let Some(rest) = groups.get(next..).filter(|rest| !rest.is_empty()) {
        let phone_number = || if is_after_number || is_separate(text, rest) { phone_number(rest) } else { None };
        let used = identity_number(rest).or_else(phone_number);
        let used = used.map(|count| count + tail(rest.get(count..).unwrap_or_default()));
        let number = rest.get(..used.unwrap_or(0)).unwrap_or_default();
        if let (Some(first), Some(last)) = (number.first(), number.last()) {
            ranges.push(first.plus.unwrap_or(first.bytes.start)..last.bytes.end);
        }
        is_after_number = used.is_some();
        next += used.unwrap_or(1);
    }
    ranges
}

/// Whether a phone number may begin with the first group: the digits before it belong to something else.
fn is_separate(text: &str, groups: &[Group]) -> bool {
    let gap = groups.first().and_then(|first| first.gap.clone()).and_then(|gap| text.get(gap));
    let separates = |character: char| character.is_whitespace() || "(/+".contains(character);
    gap.is_none_or(|gap| gap.contains(separates)) || is_long_phone_number(groups)
}

/// Whether these groups look like a phone number with an area code rather than the end of a date.
fn is_long_phone_number(groups: &[Group]) -> bool {
    let mut digits = joined(groups).map(|group| group.digits);
    let is_long = digits.next() >= Some(*PHONE.start()) || digits.next() > Some(2);
    is_long && groups.first().is_some_and(|first| first.zeros == 1)
}

/// Number of groups of the identity number that begins here.
fn identity_number(groups: &[Group]) -> Option<usize> {
    if groups.first()?.digits >= MIN_IDENTITY_DIGITS {
        return Some(1);
    }
    let mut date = 0;
    for (index, group) in joined(groups).enumerate() {
        match (date, group.digits) {
            (6 | 8, 4) => return Some(index + 1),
            (_, digits) if digits % 2 == 0 && date + digits <= 8 => date += digits,
            _ => return None,
        }
    }
    None
}

/// Number of groups of the phone number that begins here.
fn phone_number(groups: &[Group]) -> Option<usize> {
    let first = groups.first().filter(|first| begins_phone(first))?;
    let (mut digits, mut count) = (first.digits, 1);
    for (index, group) in joined(groups).enumerate().skip(1) {
        let is_enough = digits >= *PHONE.start();
        if is_enough && groups.get(index..).is_some_and(begins_number) {
            break;
        }
        if digits + group.digits > *PHONE.end() {
            // This group may end another number, which begins among the previous groups.
            count += usize::from(groups.get(1..index).unwrap_or_default().iter().any(begins_phone));
            break;
        }
        digits += group.digits;
        count += 1;
    }
    PHONE.contains(&digits).then_some(count)
}

/// Number of short groups after a number that may still belong to it. One too many is better than digits that stay.
fn tail(groups: &[Group]) -> usize {
    let is_tail = |(index, group): &(usize, &Group)| {
        let rest = groups.get(*index..).unwrap_or_default();
        group.gap.is_some() && group.digits <= 4 && identity_number(rest).is_none() && phone_number(rest).is_none()
    };
    groups.iter().take(*PHONE.end()).enumerate().take_while(is_tail).count()
}

const fn begins_phone(group: &Group) -> bool {
    group.zeros > 0 || group.plus.is_some()
}

/// Whether another number begins here.
fn begins_number(groups: &[Group]) -> bool {
    let digits: usize = joined(groups).map(|group| group.digits).sum();
    identity_number(groups).is_some() || groups.first().is_some_and(begins_phone) && digits >= *PHONE.start()
}

/// The first group and those that may belong to the same number: at most as many as a number has digits, so that long texts
/// take linear time.
fn joined(groups: &[Group]) -> impl Iterator<Item = &Group> {
    groups
        .iter()
        .enumerate()
        .take_while(|(index, group)| *index == 0 || group.gap.is_some())
        .map(|(_, group)| group)
        .take(*PHONE.end())
}

fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut position = 0;
    for piece in split_keeping(text, is_digit) {
        let bytes = position..position + piece.len();
        position = bytes.end;
        if !piece.starts_with(is_digit) {
            continue;
        }
        let gap =
            groups.last().map(|before| before.bytes.end..bytes.start).filter(|gap| text.get(gap.clone()).is_some_and(is_gap));
        let before = text.get(..bytes.start).unwrap_or_default().trim_end();
        let plus = before.strip_suffix(['+', '\u{ff0b}']).map(str::len);
        let zeros = piece.chars().take_while(|digit| ['0', '\u{ff10}'].contains(digit)).count();
        groups.push(Group { digits: piece.chars().count(), bytes, zeros, gap, plus });
    }
    groups
}

/// ASCII digits and their fullwidth forms, which East Asian keyboards type.
fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || ('\u{ff10}'..='\u{ff19}').contains(&character)
}

/// Whether one number may have this text between two of its groups: white space and a few separators.
fn is_gap(text: &str) -> bool {
    let is_separator = |character: char| {
        "-+./()_\u{2212}\u{2043}\u{fe63}\u{ff0b}\u{ff0d}".contains(character) || ('\u{2010}'..='\u{2015}').contains(&character)
    };
    // Soft hyphens, joiners and directional formatting characters: invisible leftovers in copied text.
    let is_invisible = |character: char| {
        "\u{ad}\u{feff}".contains(character)
            || ('\u{200b}'..='\u{200f}').contains(&character)
            || ('\u{202a}'..='\u{202e}').contains(&character)
            || ('\u{2060}'..='\u{2064}').contains(&character)
    };
    let mut separators = text.chars().filter(|character| !character.is_whitespace() && !is_invisible(*character));
    separators.clone().count() <= MAX_SEPARATORS && separators.all(is_separator)
}

/// Splits the text into runs of characters that all fit or all do not.
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
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    /// Separators between groups of digits.
    const SEPARATORS: &str = "[-+./() \\t\\u{a0}\u{2010}-\u{2015}\u{2212}]{1,3}";

    /// A number that begins with `begin`, followed by groups of these lengths.
    fn in_groups(begin: &'static str, lengths: &'static [usize]) -> impl Strategy<Value = String> {
        let group = |length: &usize| (SEPARATORS, collection::vec(0..10_u8, *length));
        (begin, lengths.iter().map(group).collect::<Vec<_>>()).prop_map(|(begin, groups)| {
            groups.iter().fold(begin, |number, (separator, digits)| {
                number + separator + &digits.iter().map(u8::to_string).collect::<String>()
            })
        })
    }

    proptest! {
        #[test]
        fn numbers_are_redacted_completely_anywhere(
            number in prop_oneof![
                in_groups("[0-9]{6}([0-9]{2})?", &[4]),
                in_groups("[0-9]{2}([0-9]{2})?", &[2, 2, 4]),
                in_groups("0[0-9]{1,3}", &[3, 2, 2]),
                in_groups("0[0-9]{1,3}", &[7]),
                in_groups("\\+46", &[2, 3, 2, 2]),
                "[0-9]{10}([0-9]{2})?",
                "0[0-9]{8,9}",
            ],
            before in "[a-zåäö,:;!?' ]{0,12}", after in "[a-zåäö,:;!?' ]{0,12}",
        ) {
            let masked = mask_personal_data(&format!("{before}{number}{after}"));
            prop_assert_eq!(masked, format!("{before}****{after}"));
        }

        #[test]
        fn text_without_numbers_and_addresses_is_unchanged(text in "[^0-9\u{ff10}-\u{ff19}@]{0,60}") {
            prop_assert_eq!(mask_personal_data(&text), text);
        }

        #[test]
        fn masking_is_idempotent(text in "([0-9]{1,8}|[-+./() @a-z\n]{1,3}|\\PC){0,20}") {
            let masked = mask_personal_data(&text);
            prop_assert_eq!(mask_personal_data(&masked), masked);
        }
    }

    /// Spellings of one identity number.
    const IDENTITIES: [&str; 23] = [
        "191212121212",
        "1212121212",
        "19191212121212",
        "19121212-1212",
        "19121212 1212",
        "121212-1212",
        "121212+1212",
        "191212\u{2013}1212",
        "19121212 - 1212",
        "191212 -1212",
        "191212\n1212",
        "1912 1212 1212",
        "12 12 12-1212",
        "191212.1212",
        "191212/1212",
        "191212\u{a0}1212",
        "１９１２１２１２１２１２",
        "1912-12-12-1212",
        "121212-\n    1212",
        "１２１２１２－１２１２",
        "121212\u{200b}-1212",
        "19121212_1212",
        "721272-1212",
    ];
    /// Spellings of phone numbers.
    const PHONES: [&str; 22] = [
        "0701740605",
        "070-174 06 05",
        "070-1740605",
        "+46701740605",
        "+46 70 174 06 05",
        "0046701740605",
        "090-12 34 56",
        "08-123456",
        "+46 (0)70-174 06 05",
        "070) 174 06 05",
        "070/174 06 05",
        "070.174.06.05",
        "070 - 174 06 05",
        "070-174\t06 05",
        "070\u{a0}174\u{a0}06\u{a0}05",
        "070\u{ad}174\u{ad}06\u{ad}05",
        "070-174 06  05",
        "070\u{2212}1740605",
        "+ 46 70 174 06 05",
        "＋46 70 174 06 05",
        "070    174 06 05",
        "070\u{200e}-1740605",
    ];

    #[test]
    fn every_spelling_of_a_number_is_masked() {
        for number in IDENTITIES.iter().chain(&PHONES) {
            assert_eq!(mask_personal_data(&format!("Kund: {number}, tack")), "Kund: ****, tack", "{number:?}");
            assert_eq!(mask_personal_data(&format!("Tel-{number}.")), "Tel-****.", "{number:?}");
        }
        assert_eq!(mask_personal_data("Kund (191212121212) finns"), "Kund (****) finns");
        assert_eq!(mask_personal_data("Ring (070) 174 06 05"), "Ring (****");
    }

    #[test]
    fn adjacent_numbers_are_both_masked() {
        for (first, second) in IDENTITIES
            .iter()
            .chain(&PHONES)
            .flat_map(|first| PHONES.iter().chain(&IDENTITIES).map(move |second| (first, second)))
        {
            for gap in [" ", ", ", "\n"] {
                let masked = mask_personal_data(&format!("{first}{gap}{second}"));
                assert!(!masked.contains(is_digit), "{first:?}{gap:?}{second:?} {masked:?}");
            }
        }
    }

    #[test]
    fn email_addresses_are_masked() {
        for address in
            ["order@example.net", "tolvan&co@example.com", "a.b+c@x.example", "x@[127.0.0.1]", "o'dotter@example.com"]
        {
            assert_eq!(
                mask_personal_data(&format!("Mail <{address}>, eller {address}. Tack")),
                "Mail <****>, eller ****. Tack"
            );
        }
        assert_eq!(mask_personal_data("2 @ 100 kr, @"), "2 @ 100 kr, @");
    }

    #[test]
    fn numbers_after_other_numbers_are_masked() {
        for (text, masked) in [
            ("2016-03-14 09.05.02 070-1740605", "2016-03-14 ****"),
            ("01234 +46 701740605", "****"),
            ("0302 12 070-1740605", "****"),
            ("08-1234 070-1740605", "****"),
            ("kundnr 18020/070-174 06 05", "kundnr 18020/****"),
            ("3105-070-1740605", "3105-****"),
            ("1.070-174 06 05", "1.****"),
            ("12-+46 70 174 06 05", "12-****"),
        ] {
            assert_eq!(mask_personal_data(text), masked, "{text}");
        }
    }

    #[test]
    fn other_numbers_are_unchanged() {
        let text = "Order 20417 den 2016-03-14 09:05:00, tjänst 3105, 100/100 Mbit/s, 100 %, 508-004-06-0302";
        assert_eq!(mask_personal_data(text), text);
    }
}

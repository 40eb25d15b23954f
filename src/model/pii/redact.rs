//! Personal data in free text.

use std::ops::Range;

/// What stands in the place of masked data.
const MASK: &str = "****";
/// The fewest and the most digits of a phone number.
const PHONE: std::ops::RangeInclusive<usize> = 7..=15;
/// The fewest digits in a row that are taken for an identity number, whatever they are.
const LONG: usize = 10;
/// How many marks may stand between two groups of digits of one number.
const MAX_MARKS: usize = 3;

/// The text with personal identity numbers, phone numbers and e-mail addresses replaced by `****`.
///
/// People write numbers in groups with all kinds of things between them: space, dashes, full stops, slashes, brackets, line
/// ends. An identity number is ten digits or more in a row, or a date of six or eight digits, in groups of even length, and
/// then four more. A phone number begins with `0` or `+` and has 7 to 15 digits; it ends where another number begins.
#[must_use]
pub fn mask_personal_data(text: &str) -> String {
    mask(text, numbers(text).into_iter().chain(email_addresses(text)).collect())
}

/// The text with these places replaced by `****`; what overlaps becomes one.
pub(super) fn mask(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_by_key(|place| place.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for place in places {
        if place.start >= done && place.start < place.end {
            masked.push_str(text.get(done..place.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        done = done.max(place.end);
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    masked
}

/// Where e-mail addresses stand.
pub(super) fn email_addresses(text: &str) -> Vec<Range<usize>> {
    let is_part = |character: char| !character.is_whitespace() && !"<>(),;:\"".contains(character);
    let mut at = 0;
    let mut places = Vec::new();
    for piece in split_keeping(text, is_part) {
        const AROUND: [char; 4] = ['.', '!', '?', '\''];
        let address = piece.trim_start_matches(AROUND);
        let start = at + piece.len() - address.len();
        let address = address.trim_end_matches(AROUND);
        if address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()) {
            places.push(start..start + address.len());
        }
        at += piece.len();
    }
    places
}

/// A group of digits in a text.
#[derive(Debug)]
struct Group {
    bytes: Range<usize>,
    digits: usize,
    /// How many zeros it begins with.
    zeros: usize,
    /// What stands between it and the group before, when that may be of the same number.
    gap: Option<Range<usize>>,
    /// Where a `+` stands before it.
    plus: Option<usize>,
}

/// Where personal identity numbers and phone numbers stand.
pub(super) fn numbers(text: &str) -> Vec<Range<usize>> {
    let groups = groups(text);
    let mut places = Vec::new();
    let (mut next, mut is_after_number) = (0, false);
    while let Some(rest) = groups.get(next..).filter(|rest| !rest.is_empty()) {
        let phone_number = || if is_after_number || is_apart(text, rest) { phone_number(rest) } else { None };
        let used = identity_number(rest).or_else(phone_number);
        let used = used.map(|count| count + tail(rest.get(count..).unwrap_or_default()));
        let number = rest.get(..used.unwrap_or(0)).unwrap_or_default();
        if let (Some(first), Some(last)) = (number.first(), number.last()) {
            places.push(first.plus.unwrap_or(first.bytes.start)..last.bytes.end);
        }
        is_after_number = used.is_some();
        next += used.unwrap_or(1);
    }
    places
}

/// Whether a number may begin with the first group: it is not joined to digits before it.
fn is_apart(text: &str, groups: &[Group]) -> bool {
    let gap = groups.first().and_then(|first| first.gap.clone()).and_then(|gap| text.get(gap));
    let parts = |character: char| character.is_whitespace() || "(/+".contains(character);
    gap.is_none_or(|gap| gap.contains(parts)) || is_long_phone_number(groups)
}

/// Whether these groups look like a phone number with an area code, and not like what is left of a date.
fn is_long_phone_number(groups: &[Group]) -> bool {
    let mut digits = joined(groups).map(|group| group.digits);
    let is_long = digits.next() >= Some(*PHONE.start()) || digits.next() > Some(2);
    is_long && groups.first().is_some_and(|first| first.zeros == 1)
}

/// How many groups the identity number has that the text goes on with.
fn identity_number(groups: &[Group]) -> Option<usize> {
    if groups.first()?.digits >= LONG {
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

/// How many groups the phone number has that the text goes on with.
fn phone_number(groups: &[Group]) -> Option<usize> {
    let first = groups.first().filter(|first| begins_phone(first))?;
    let (mut digits, mut count) = (first.digits, 1);
    for (index, group) in joined(groups).enumerate().skip(1) {
        let is_enough = digits >= *PHONE.start();
        if is_enough && groups.get(index..).is_some_and(begins_number) {
            break;
        }
        if digits + group.digits > *PHONE.end() {
            // Another number may have begun among them, and this is its end.
            count += usize::from(groups.get(1..index).unwrap_or_default().iter().any(begins_phone));
            break;
        }
        digits += group.digits;
        count += 1;
    }
    PHONE.contains(&digits).then_some(count)
}

/// How many short groups follow a number that may be its end: better one too many than digits of it that stay.
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

/// Whether these groups begin a number of their own.
fn begins_number(groups: &[Group]) -> bool {
    let digits: usize = joined(groups).map(|group| group.digits).sum();
    identity_number(groups).is_some() || groups.first().is_some_and(begins_phone) && digits >= *PHONE.start()
}

/// The first group and those that may be of the same number. No more than a number can have, or a long text would be looked at
/// again and again.
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
    let mut at = 0;
    for piece in split_keeping(text, is_digit) {
        let bytes = at..at + piece.len();
        at = bytes.end;
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

/// Digits as keyboards write them, those of East Asia too.
fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || ('\u{ff10}'..='\u{ff19}').contains(&character)
}

/// What may stand between the groups of one number: white space, and a few marks.
fn is_gap(text: &str) -> bool {
    let is_mark = |character: char| {
        "-+./()_\u{2212}\u{2043}\u{fe63}\u{ff0b}\u{ff0d}".contains(character) || ('\u{2010}'..='\u{2015}').contains(&character)
    };
    // Soft hyphens, marks for joining and for the direction of writing: texts that were copied have them, and nobody sees them.
    let is_invisible = |character: char| {
        "\u{ad}\u{feff}".contains(character)
            || ('\u{200b}'..='\u{200f}').contains(&character)
            || ('\u{202a}'..='\u{202e}').contains(&character)
            || ('\u{2060}'..='\u{2064}').contains(&character)
    };
    let mut marks = text.chars().filter(|character| !character.is_whitespace() && !is_invisible(*character));
    marks.clone().count() <= MAX_MARKS && marks.all(is_mark)
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
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    /// What people put between groups of digits.
    const BETWEEN: &str = "[-+./() \\t\\u{a0}\u{2010}-\u{2015}\u{2212}]{1,3}";

    /// A number in groups of such lengths, after what it begins with.
    fn in_groups(begin: &'static str, lengths: &'static [usize]) -> impl Strategy<Value = String> {
        let group = |length: &usize| (BETWEEN, collection::vec(0..10_u8, *length));
        (begin, lengths.iter().map(group).collect::<Vec<_>>()).prop_map(|(begin, groups)| {
            groups.iter().fold(begin, |number, (between, digits)| {
                number + between + &digits.iter().map(u8::to_string).collect::<String>()
            })
        })
    }

    proptest! {
        #[test]
        fn nothing_of_a_number_is_left_wherever_it_stands(
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
        fn a_text_without_numbers_and_addresses_is_left_alone(text in "[^0-9\u{ff10}-\u{ff19}@]{0,60}") {
            prop_assert_eq!(mask_personal_data(&text), text);
        }

        #[test]
        fn what_is_masked_stays_as_it_is(text in "([0-9]{1,8}|[-+./() @a-z\n]{1,3}|\\PC){0,20}") {
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
    fn numbers_are_masked_in_every_spelling() {
        for number in IDENTITIES.iter().chain(&PHONES) {
            assert_eq!(mask_personal_data(&format!("Kund: {number}, tack")), "Kund: ****, tack", "{number:?}");
            assert_eq!(mask_personal_data(&format!("Tel-{number}.")), "Tel-****.", "{number:?}");
        }
        assert_eq!(mask_personal_data("Kund (191212121212) finns"), "Kund (****) finns");
        assert_eq!(mask_personal_data("Ring (070) 174 06 05"), "Ring (****");
    }

    #[test]
    fn numbers_side_by_side_leave_nothing_of_each_other() {
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
    fn addresses_are_masked() {
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
    fn a_number_is_found_behind_others() {
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
    fn other_numbers_stay() {
        let text = "Order 20417 den 2016-03-14 09:05:00, tjänst 3105, 100/100 Mbit/s, 100 %, 508-004-06-0302";
        assert_eq!(mask_personal_data(text), text);
    }
}

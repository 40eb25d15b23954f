//! Personal identity numbers: Swedish, coordination and interim numbers, and those of the neighbours.
//!
//! A number that has the shape is one even if its check digit is wrong: people mistype. The check digit decides only where the
//! shape alone is weak, as in a list of pairs of digits.

use super::groups::{Gap, Groups, number};
use super::moment::{FIRST_EVENT_YEAR, is_timestamp, year_month_day};

/// Numbers of digits of an identity number, without and with century.
const LENGTHS: [usize; 2] = [10, 12];
/// A single group of at least this many digits is an identity number unless it is known to be something else.
const MIN_CONTIGUOUS: usize = 10;
/// First letter of the last four characters of a Swedish interim number.
const INTERIM: &str = "TRSUWXJKLMN";
/// Check characters of Finnish numbers, by the rest of a division by 31.
const FINNISH_CHECK: &str = "0123456789ABCDEFHJKLMNPRSTUVWXY";

/// An identity number that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) count: usize,
    /// Position after its last character.
    pub(super) end: usize,
}

/// The identity number that begins here and whose shape says that it is one:
///
/// * `191212121212`, `1212121212`, `12121299999`: one group of at least ten digits
/// * `19121212-1212`, `121212 1212`, `19121212, 12 12`: a date in one group, then four digits or two pairs
/// * `1912-12-12-1212`, `12.12.1912-1212`: a date with separators, then four digits
/// * `191212-T121` (interim), `131052-308T` (Finnish), `121212-99999` (Norwegian)
pub(super) fn by_shape(groups: &Groups<'_>, first: usize) -> Option<Identity> {
    let count = if is_contiguous(groups, first) {
        Some(1)
    } else {
        date_and_number(groups, first).or_else(|| separated_date_and_number(groups, first))
    };
    count.map(|count| identity(groups, first, count)).or_else(|| with_letter(groups, first))
}

/// The identity number that begins here in groups of any length, by its date and check digit: pairs, fours, single digits.
pub(super) fn by_check_digit(groups: &Groups<'_>, first: usize) -> Option<Identity> {
    let mut digits = 0;
    let (mut has_even_lengths, mut has_single_digits, mut has_cut) = (true, true, false);
    for index in first..first + 12 {
        let gap = groups.gap(index);
        let length = groups.length(index);
        if length == 0 || index > first && (gap.is_none_or(Gap::ends_number) || groups.plus(index).is_some()) {
            return None;
        }
        digits += length;
        has_even_lengths &= length.is_multiple_of(2);
        has_single_digits &= length == 1;
        let count = index + 1 - first;
        let is_whole = groups.gap(first).is_none() && groups.gap(index + 1).is_none();
        let is_regular = has_even_lengths && has_cut || has_single_digits;
        if LENGTHS.contains(&digits) && count > 1 && (is_regular || is_whole) {
            let number = groups.digits(first..index + 1);
            // Four, four and four digits look like the number of a card, but a birth in the last century is none.
            let is_old = digits == 12 && number.first() == Some(&1) && length == 4 && has_even_lengths;
            if is_plausible(number) && (has_check_digit(number) || is_old) {
                return Some(identity(groups, first, count));
            }
        }
        has_cut = has_cut || matches!(digits, 6 | 8);
        if digits >= 12 {
            return None;
        }
    }
    None
}

/// The identity number that begins here after a word that announces one: 10 to 14 digits in any groups.
pub(super) fn announced(groups: &Groups<'_>, first: usize) -> Option<Identity> {
    let mut found = None;
    for index in first..first + 14 {
        if groups.length(index) == 0 || index > first && groups.gap(index).is_none_or(Gap::ends_number) {
            break;
        }
        let digits = groups.digits(first..index + 1).len();
        if digits > 14 {
            break;
        }
        if digits >= 10 {
            found = Some(identity(groups, first, index + 1 - first));
            if digits >= 12 || groups.digits(first..first + 1).first() > Some(&2) {
                break;
            }
        }
    }
    found
}

/// Whether this is the number of a person by date and, if the date has one, century; the check digit may be wrong.
pub(super) fn is_plausible(digits: &[u8]) -> bool {
    match digits.len() {
        10 => is_swedish_date(digits.get(..6)) || is_nordic_date(digits.get(..6)),
        11 => is_nordic_date(digits.get(..6)),
        12 => has_century(digits) && is_swedish_date(digits.get(2..8)),
        14 => has_century(digits) && digits.get(2..).is_some_and(is_plausible),
        _ => false,
    }
}

/// Whether the last digit is the check digit (Luhn) of the nine before it, or the last two those of a Norwegian number.
pub(super) fn has_check_digit(digits: &[u8]) -> bool {
    if digits.len() == 11 {
        return has_norwegian_check_digits(digits);
    }
    let Some(number) = digits.len().checked_sub(10).and_then(|start| digits.get(start..)) else { return false };
    let weighed = number.iter().enumerate().map(|(index, digit)| {
        let product = u32::from(*digit) * if index % 2 == 0 { 2 } else { 1 };
        product / 10 + product % 10
    });
    weighed.sum::<u32>() % 10 == 0
}

fn identity(groups: &Groups<'_>, first: usize, count: usize) -> Identity {
    Identity { count, end: groups.end(first + count - 1) }
}

fn is_contiguous(groups: &Groups<'_>, first: usize) -> bool {
    let digits = groups.digits(first..first + 1);
    let is_filler = digits.iter().all(|digit| Some(digit) == digits.first());
    let is_identity = || is_plausible(digits) && has_check_digit(digits);
    digits.len() >= MIN_CONTIGUOUS && !is_filler && !is_organisation(digits) && (!is_timestamp(digits) || is_identity())
}

/// The number of a company, whose third digit is at least 2, where a date has the month.
fn is_organisation(digits: &[u8]) -> bool {
    let number = match digits {
        [1, 6, number @ ..] if digits.len() == 12 => number,
        number => number,
    };
    let is_company = matches!(number, [2 | 5 | 7 | 8 | 9, _, 2..=9, ..]);
    number.len() == 10 && is_company && has_check_digit(number)
}

/// A date in one group, a separator, and four digits, two pairs, or (Norwegian) five digits.
fn date_and_number(groups: &Groups<'_>, first: usize) -> Option<usize> {
    let date = groups.digits(first..first + 1);
    let gap = groups.gap(first + 1)?;
    let is_followed = begins_other(groups, first, first + 1);
    if is_followed || !matches!(date.len(), 6 | 8) {
        return None;
    }
    let can_be_birth = match date {
        [1, 8 | 9, _, _, month, ..] | [2, 0, _, _, month, ..] if date.len() == 8 => *month < 2,
        _ if date.len() == 8 => {
            is_nordic_date(date.get(..6)) && date.get(4..6).is_some_and(|century| [19, 20].contains(&number(century)))
        }
        [_, _, month, ..] if gap.is_hyphen() => *month < 2,
        _ => is_swedish_date(Some(date)) || is_nordic_date(Some(date)),
    };
    let is_event = |count: usize| {
        let time = groups.digits(first + 1..first + count);
        is_event(gap, Some('_'), date, time) && !has_check_digit(groups.digits(first..first + count))
    };
    let is_old = date.len() == 8 && date.first() == Some(&1);
    if gap.is_sentence_end() && !is_old && !has_check_digit(groups.digits(first..first + 2)) {
        return None;
    }
    match (groups.length(first + 1), groups.length(first + 2)) {
        (4, _) if can_be_birth => Some(2).filter(|count| !is_event(*count)),
        (2, 2) if can_be_birth && groups.gap(first + 2).is_some_and(|gap| gap.is_blank() || gap.glue().is_some()) => {
            let is_number = gap.mark.is_some() || has_check_digit(groups.digits(first..first + 3));
            Some(3).filter(|count| is_number && !is_event(*count))
        }
        (5, _) if date.len() == 6 && is_nordic_date(Some(date)) => {
            let is_number = gap.is_hyphen() || has_check_digit(groups.digits(first..first + 2));
            is_number.then_some(2)
        }
        _ => None,
    }
}

/// Whether a range of dates goes on after a date, or an international phone number follows it.
fn begins_other(groups: &Groups<'_>, first: usize, next: usize) -> bool {
    let has_plus = groups.plus(next).is_some() && groups.gap(next).is_some_and(|gap| gap.has_blank);
    // Four digits alone are no phone number.
    let is_alone = groups.length(next) == 4 && groups.gap(next + 1).is_none();
    let begins_phone = || has_plus && !is_alone && !has_check_digit(groups.digits(first..next + 1));
    year_month_day(groups, next) || begins_phone()
}

/// Whether a date after which no customer was born is followed by another number or, after this mark, by a time.
fn is_event(gap: Gap, mark: Option<char>, date: &[u8], time: &[u8]) -> bool {
    let is_recent = date.len() == 8 && date.get(..4).map(number) >= Some(FIRST_EVENT_YEAR);
    let is_time = time.len() == 4 && number(time) < 2400 && number(time) % 100 < 60;
    is_recent && !gap.is_hyphen() && gap.has_blank || is_recent && is_time && gap.glue() == mark
}

/// A date in three groups, divided alike, a separator, and four digits.
fn separated_date_and_number(groups: &Groups<'_>, first: usize) -> Option<usize> {
    let year_first = groups.have_lengths(first, &[4, 2, 2, 4]);
    let year_last = groups.have_lengths(first, &[2, 2, 4, 4]);
    if !year_first && !year_last && !groups.have_lengths(first, &[2, 2, 2, 4]) {
        return None;
    }
    let (mark, gap) = (groups.gap(first + 1)?.mark, groups.gap(first + 3)?);
    let date = groups.digits(first..first + 3);
    let is_birth = if year_last {
        is_nordic_date(Some(date)) && date.get(4..6).is_some_and(|century| [19, 20].contains(&number(century)))
    } else if year_first {
        has_century(date) && is_swedish_date(date.get(2..))
    } else {
        is_swedish_date(Some(date)) || is_nordic_date(Some(date))
    };
    let is_divided_alike = groups.gap(first + 2)?.mark == mark;
    let is_followed = begins_other(groups, first, first + 3);
    if !is_birth || !is_divided_alike || is_followed {
        return None;
    }
    let digits = groups.digits(first..first + 4);
    if gap.is_sentence_end() && date.first() != Some(&1) && !has_check_digit(digits) {
        return None;
    }
    // `14.3.16 1200` is a date with a time, and so is `10:11:12-1314`.
    let is_number = if year_first {
        !is_event(gap, mark, date, groups.digits(first + 3..first + 4))
    } else {
        gap.is_hyphen() && mark != Some(':')
    };
    (is_number || has_check_digit(digits)).then_some(4)
}

/// A date in one group, and after at most two separators four characters with a letter.
fn with_letter(groups: &Groups<'_>, first: usize) -> Option<Identity> {
    let date = groups.digits(first..first + 1);
    let is_swedish = match date.len() {
        6 => is_swedish_date(Some(date)),
        8 => has_century(date) && is_swedish_date(date.get(2..)),
        _ => false,
    };
    let is_finnish = is_nordic_date(Some(date));
    if !is_swedish && !is_finnish {
        return None;
    }
    let after = groups.end(first);
    let separators: Vec<char> = groups
        .text
        .characters(after..after + 2)
        .take_while(|character| !character.is_alphanumeric() && *character != '\0')
        .collect();
    if matches!(separators.as_slice(), ['.' | '!' | '?' | ',' | ';', ' ' | '\n'] | ['\n', '\n']) {
        return None;
    }
    let start = after + separators.len();
    let word: Vec<char> = groups
        .text
        .characters(start..start + 6)
        .take_while(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect();
    let digits = word.iter().filter(|character| character.is_ascii_digit()).count();
    let is_divided = separators.iter().any(|separator| !separator.is_whitespace());
    let is_number = match word.as_slice() {
        [letter, _, _, _] if is_swedish && INTERIM.contains(*letter) => digits >= 2,
        [a, b, c, check] if is_finnish && check.is_ascii_alphabetic() => {
            digits == 3 && (is_divided || is_finnish_check(date, &[*a, *b, *c], *check))
        }
        [century, _, _, _, check] if is_finnish && separators.is_empty() => {
            let is_check = check.is_ascii_alphabetic() && digits == 3 || check.is_ascii_digit() && digits == 4;
            "ABCDEFUVWXY".contains(*century) && is_check
        }
        _ => false,
    };
    let end = start + word.len();
    is_number.then(|| Identity { count: groups.count_before(first, end), end })
}

fn is_finnish_check(date: &[u8], individual: &[char], check: char) -> bool {
    let digits: Vec<u8> = individual.iter().filter_map(|digit| u8::try_from(digit.to_digit(10)?).ok()).collect();
    let rest = number(&[date, digits.as_slice()].concat()) % 31;
    FINNISH_CHECK.chars().nth(rest as usize) == Some(check)
}

fn has_norwegian_check_digits(digits: &[u8]) -> bool {
    let rest = |weights: &[u32]| digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum::<u32>() % 11;
    rest(&[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) == 0 && rest(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) == 0
}

fn has_century(digits: &[u8]) -> bool {
    matches!(digits, [1, 8 | 9, ..] | [2, 0, ..])
}

/// Year, month, day; coordination numbers have 60 added to the day.
fn is_swedish_date(digits: Option<&[u8]>) -> bool {
    let Some([_, _, month @ .., d, e]) = digits.filter(|digits| digits.len() == 6) else { return false };
    (1..=12).contains(&number(month)) && matches!(number(&[*d, *e]), 1..=31 | 61..=91)
}

/// Day, month, year; the neighbours add 40 or 60 to the day for numbers of other kinds.
fn is_nordic_date(digits: Option<&[u8]>) -> bool {
    let Some([d, e, m, n, ..]) = digits.filter(|digits| digits.len() >= 6) else { return false };
    matches!(number(&[*d, *e]), 1..=31 | 41..=91) && (1..=12).contains(&number(&[*m, *n]))
}

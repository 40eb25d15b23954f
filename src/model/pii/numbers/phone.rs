//! Phone numbers: of Sweden with area code, mobile numbers without the zero, international ones, and whatever a word announces.

use std::ops::RangeInclusive;

use super::groups::Groups;
use super::identity;
use super::moment::{moment, year_month_day};

/// Maximum number of digits of a phone number.
const MAX_DIGITS: usize = 15;
/// Minimum number of digits when a word announces a phone number: local ones have no area code.
const MIN_ANNOUNCED: usize = 6;

/// The number of groups of the phone number that begins here:
///
/// * `0701740605`, `070-174 06 05`, `08-465 004 13`, `0980/319201`: an area code and 8 to 11 digits in all
/// * `+46 (0)70-174 06 05`, `0046701740605`, `46 70 174 06 05`, `+358 40 1234567`: a country code
/// * `701740605`, `70-174 06 05`: a mobile number without the zero
/// * six digits and more after a word such as `tel`
pub(super) fn phone(groups: &Groups<'_>, first: usize, is_announced: bool) -> Option<usize> {
    let ends = Ends::new(groups, first);
    let count = if groups.plus(first).is_some() {
        international(groups, first, &ends, 0)
    } else {
        match groups.digits(first..first + 1) {
            [0, 0, ..] => international(groups, first, &ends, 2),
            [0, ..] => national(groups, first, &ends),
            [4, 6] => ends.of_digits(11).filter(|_| is_mobile(groups.digits(first + 1..first + 3))),
            [7, ..] => mobile_without_zero(groups, first, &ends),
            _ => None,
        }
    };
    let announced = || is_announced.then(|| ends.longest(MIN_ANNOUNCED..=MAX_DIGITS)).flatten();
    let count = count.or_else(announced)?;
    // The second of two numbers that differ in their last digits: `070-1740605/06`.
    let is_variant = groups.glue(first + count).is_some_and(|glue| "/-".contains(glue))
        && groups.length(first + count) <= 4
        && moment(groups, first + count).is_none()
        && !has_area_code(groups, first + count);
    Some(count + usize::from(is_variant))
}

/// Whether these digits are a mobile number, with or without the first zero or the country code.
pub(super) fn is_mobile_number(digits: &[u8]) -> bool {
    match digits {
        [0, 0, 4, 6, national @ ..] | [0, national @ ..] | [4, 6, national @ ..] => national.len() == 9 && is_mobile(national),
        _ => false,
    }
}

/// Whether a mobile number has the groups that people write it in.
pub(super) fn is_spelled(groups: &Groups<'_>, first: usize) -> bool {
    let spellings: [&[usize]; 6] = [&[3, 7], &[3, 3, 2, 2], &[3, 3, 4], &[3, 4, 3], &[4, 6], &[4, 2, 2, 2]];
    spellings.iter().any(|lengths| groups.have_lengths(first, lengths))
}

/// Whether a phone number can begin at a group that is joined to the digits before it: after a blank, a bracket or a stroke, or
/// when its first groups alone leave no doubt.
pub(super) fn is_separate(groups: &Groups<'_>, first: usize) -> bool {
    let Some(gap) = groups.gap(first) else { return true };
    let is_divided = gap.has_blank || gap.mark.is_some_and(|mark| !"-._,:".contains(mark)) || groups.plus(first).is_some();
    is_divided
        || groups.length(first) >= 8
        || matches!(groups.digits(first..first + 1), [0, 1..=9, ..]) && groups.length(first + 1) >= 5
        || begins_mobile_number(groups, first)
}

/// Where a number that begins at a group may end: after each group that may still belong to it.
struct Ends {
    /// The number of digits up to each end.
    digits: Vec<usize>,
    /// The number of ends before something else seems to begin. A number of known length may go on beyond it.
    certain: usize,
}

impl Ends {
    fn new(groups: &Groups<'_>, first: usize) -> Self {
        let mut ends = Self { digits: Vec::new(), certain: 0 };
        let mut is_certain = true;
        for index in first..first + MAX_DIGITS {
            let before = groups.digits(first..index).len();
            let total = groups.digits(first..index + 1).len();
            let is_mobile = matches!(groups.digits(first..first + 1), [0, 7, ..]);
            let is_end = index > first
                && groups.gap(index).is_none_or(|gap| gap.ends_number() && (before > 3 || gap.is_sentence_end() && !is_mobile));
            if groups.length(index) == 0 || is_end || total > MAX_DIGITS {
                break;
            }
            is_certain &= index == first || !begins_another(groups, index, before);
            ends.digits.push(total);
            ends.certain += usize::from(is_certain);
        }
        ends
    }

    /// The number of groups with exactly this many digits.
    fn of_digits(&self, digits: usize) -> Option<usize> {
        self.digits.iter().position(|total| *total == digits).map(|index| index + 1)
    }

    /// The largest number of groups with this many digits, before anything else begins.
    fn longest(&self, range: RangeInclusive<usize>) -> Option<usize> {
        self.digits.iter().take(self.certain).rposition(|total| range.contains(total)).map(|index| index + 1)
    }
}

/// Whether a date, a time or another number begins at a group, so many digits after the beginning of a number.
fn begins_another(groups: &Groups<'_>, index: usize, digits: usize) -> bool {
    let gap = groups.gap(index);
    year_month_day(groups, index)
        || digits > 3 && groups.plus(index).is_some()
        || digits > 4 && (moment(groups, index).is_some() || begins_mobile_number(groups, index))
        || digits >= 7 && (gap.is_some_and(|gap| gap.has_line_end) || has_area_code(groups, index))
        || identity::by_shape(groups, index).is_some()
}

/// Whether the first groups here are exactly a mobile number.
fn begins_mobile_number(groups: &Groups<'_>, first: usize) -> bool {
    let is_mobile = |count: usize| is_mobile_number(groups.digits(first..first + count));
    matches!(groups.digits(first..first + 1), [0, 7, ..]) && groups.length(first) > 2 && (1..=5).any(is_mobile)
}

/// Whether the number that begins here has the length of one with area code, rather than being two or four digits of another.
fn has_area_code(groups: &Groups<'_>, first: usize) -> bool {
    let is_area = matches!(groups.digits(first..first + 1), [0, _, _, ..] | [0, 7 | 8]);
    let is_part = |index: &usize| {
        let is_start = groups.digits(*index..index + 1).first() == Some(&0) || groups.plus(*index).is_some();
        *index == first || groups.gap(*index).is_some() && !is_start
    };
    let mut totals = (first..first + 4).take_while(is_part).scan(0, |total, index| {
        *total += groups.length(index);
        Some(*total)
    });
    is_area && totals.any(|total| (8..=11).contains(&total))
}

fn national(groups: &Groups<'_>, first: usize, ends: &Ends) -> Option<usize> {
    let area = groups.digits(first..first + 1);
    let has_code = match area {
        // Digit by digit, or with a blank after the zero.
        [0] => {
            let count = ends.of_digits(10)?;
            let is_spelled = (first + 1..first + count)
                .all(|index| groups.gap(index).is_some_and(|gap| gap.is_blank() || gap.glue() == Some('-')));
            return (is_spelled && groups.digits(first + 1..first + 2).first() != Some(&0)).then_some(count);
        }
        [0, 7] => groups.digits(first + 1..first + 2).first().is_some_and(|digit| [0, 2, 3, 6, 9].contains(digit)),
        [0, 8] => true,
        [0, _] => false,
        _ => true,
    };
    if !has_code {
        return None;
    }
    let is_mobile = groups.digits(first..first + 2).get(1..).is_some_and(is_mobile);
    if is_mobile {
        // Ten digits; a number with one too few or too many is a number mistyped.
        return ends.of_digits(10).or_else(|| ends.longest(9..=11));
    }
    // The number within an area never begins with 0.
    let is_subscriber = ends.digits.len() < 2 || groups.digits(first + 1..first + 2).first() != Some(&0);
    let shortest = if area.len() == 4 { 9 } else { 8 };
    if is_subscriber { ends.longest(shortest..=10).or_else(|| ends.longest(11..=11)) } else { None }
}

/// A number with country code, after `+` or after `skipped` digits.
fn international(groups: &Groups<'_>, first: usize, ends: &Ends, skipped: usize) -> Option<usize> {
    let all = groups.digits(first..first + ends.digits.len());
    let exact = match all.get(skipped..) {
        Some([4, 6, 0, 7, ..]) => Some(12),
        Some([4, 6, 7, ..]) => Some(11),
        Some([4, 5 | 7, ..]) => Some(10),
        Some([0, ..]) | None => return None,
        Some(_) => None,
    };
    let shortest = if skipped == 0 { 7 } else { 11 };
    exact.and_then(|digits| ends.of_digits(skipped + digits)).or_else(|| ends.longest(shortest..=MAX_DIGITS))
}

fn mobile_without_zero(groups: &Groups<'_>, first: usize, ends: &Ends) -> Option<usize> {
    let count = ends.of_digits(9)?;
    let is_grouped = match groups.length(first) {
        9 => true,
        2 => groups.length(first + 1) >= 3 && groups.gap(first + 1).is_some_and(|gap| gap.is_blank() || gap.glue().is_some()),
        _ => false,
    };
    (is_grouped && is_mobile(groups.digits(first..first + count))).then_some(count)
}

fn is_mobile(national: &[u8]) -> bool {
    matches!(national, [7, 0 | 2 | 3 | 6 | 9, ..])
}

//! Dates and clock times, which stay: `2016-03-14`, `14.3.2016`, `21/3`, `20160314090502`, `08.00`, `09:05:02.123+01:00`,
//! `kl 08-12`, `0800-1200`.

use super::groups::{Gap, Groups, number};

/// Dates from this year on are rather events than births: no customer is younger.
pub(super) const FIRST_EVENT_YEAR: u32 = 2005;

/// The number of groups of the date or clock time that begins here.
pub(super) fn moment(groups: &Groups<'_>, first: usize) -> Option<usize> {
    date(groups, first).or_else(|| clock_time(groups, first))
}

/// The number of groups of the date that begins here.
fn date(groups: &Groups<'_>, first: usize) -> Option<usize> {
    if is_compact(groups.digits(first..first + 1)) {
        Some(1)
    } else if year_month_day(groups, first) || day_month_year(groups, first) {
        Some(3)
    } else {
        day_month(groups, first).then_some(2)
    }
}

/// `2016-03-14`, with any of `-`, `.` and `/`.
pub(super) fn year_month_day(groups: &Groups<'_>, first: usize) -> bool {
    let year = groups.value(first).filter(|_| groups.length(first) == 4);
    let is_year = year.is_some_and(|year| (1800..2100).contains(&year));
    is_year && same_glue(groups, first, "-./") && is_day(groups, first + 2) && is_month(groups, first + 1)
}

/// `14.3.2016`, `14/3/16`, `14-03-2016`, or as Americans write it; nothing of the same kind follows.
fn day_month_year(groups: &Groups<'_>, first: usize) -> bool {
    let has_order =
        is_day(groups, first) && is_month(groups, first + 1) || is_month(groups, first) && is_day(groups, first + 1);
    let has_year = match groups.length(first + 2) {
        4 => groups.value(first + 2).is_some_and(|year| (1900..2100).contains(&year)),
        2 => groups.glue(first + 1) != Some('-'),
        _ => false,
    };
    let glue = groups.glue(first + 1);
    has_order && has_year && same_glue(groups, first, "-./") && groups.glue(first + 3) != glue
}

/// `21/3`
fn day_month(groups: &Groups<'_>, first: usize) -> bool {
    let is_glued = |index| groups.glue(index) == Some('/');
    is_day(groups, first) && is_glued(first + 1) && is_month(groups, first + 1) && !is_glued(first + 2)
}

/// `20160314`
fn is_compact(digits: &[u8]) -> bool {
    let part = |start: usize, end: usize| digits.get(start..end).map_or(0, number);
    let is_date = (1900..2100).contains(&part(0, 4)) && (1..=12).contains(&part(4, 6)) && (1..=31).contains(&part(6, 8));
    is_date && digits.len() == 8 || is_timestamp(digits)
}

/// `20160314090502`
pub(super) fn is_timestamp(digits: &[u8]) -> bool {
    let Some((date, time)) = digits.split_at_checked(8).filter(|_| digits.len() == 14) else { return false };
    let part = |start: usize| time.get(start..start + 2).map_or(u32::MAX, number);
    is_compact(date) && date.get(..4).map(number) >= Some(FIRST_EVENT_YEAR) && part(0) < 24 && part(2) < 60 && part(4) < 60
}

/// `08.00`, `08:00:00`, `09:05:02,123`, `09:05:02+01:00`; nothing of the same kind stands before or after.
fn clock_time(groups: &Groups<'_>, first: usize) -> Option<usize> {
    let glue = groups.glue(first + 1).filter(|glue| ".:".contains(*glue))?;
    let is_hour = (1..=2).contains(&groups.length(first)) && groups.value(first)? <= 24;
    let is_sixtieth = |index| groups.length(index) == 2 && groups.value(index) < Some(60);
    if !is_hour || !is_sixtieth(first + 1) || groups.glue(first) == Some(glue) {
        return None;
    }
    let mut count = 2;
    if groups.glue(first + 2) == Some(glue) && is_sixtieth(first + 2) {
        count = 3;
        let has_fraction = matches!(groups.glue(first + 3), Some('.' | ',')) && groups.length(first + 3) <= 9;
        count += usize::from(has_fraction && groups.glue(first + 3) != Some(glue));
        let offset = first + count;
        if groups.glue(offset) == Some('+') && groups.glue(offset + 1) == Some(':') && groups.have_lengths(offset, &[2, 2]) {
            count += 2;
        }
    }
    (groups.glue(first + count) != Some(glue)).then_some(count)
}

/// Hours without minutes, `08-12`, or without a separator, `0800-1200`: the number of groups, when they are announced as a
/// time, follow a date or time, or come in pairs.
pub(super) fn hours(groups: &Groups<'_>, first: usize, is_expected: bool) -> Option<usize> {
    if is_hour_range(groups, first, 2, 24) {
        let is_pair = groups.gap(first + 2).is_some_and(|gap| gap.has_blank) && is_hour_range(groups, first + 2, 2, 24);
        let count = if is_pair { 4 } else { 2 };
        return (is_pair || is_expected && !goes_on_as_phone(groups, first, 2)).then_some(count);
    }
    // Four digits may be an area code: `0701-1740 605`.
    let ends = groups.gap(first + 2).is_none_or(Gap::is_list) || is_hour_range(groups, first + 2, 4, 2400);
    (is_hour_range(groups, first, 4, 2400) && ends).then_some(2)
}

fn is_hour_range(groups: &Groups<'_>, first: usize, length: usize, end: u32) -> bool {
    let has_length = |index| (length - 1..=length).contains(&groups.length(index)) && groups.length(index) != 3;
    let is_joined = groups.gap(first + 1).is_some_and(|gap| gap.mark == Some('-'));
    let is_time = |index| groups.value(index).filter(|value| *value <= end && (length < 4 || value % 100 < 60));
    let in_order = || is_time(first).zip(is_time(first + 1)).is_some_and(|(from, until)| from < until);
    has_length(first) && has_length(first + 1) && is_joined && in_order()
}

/// Whether what looks like a time is the beginning of a Stockholm number in pairs: `08.12 34 56`.
fn goes_on_as_phone(groups: &Groups<'_>, first: usize, count: usize) -> bool {
    let is_area = groups.digits(first..first + 1) == [0, 8];
    let next = first + count;
    let is_pair = |index: usize| (2..=3).contains(&groups.length(index)) && groups.gap(index).is_some_and(Gap::is_blank);
    let rest = (next..next + 3).take_while(|index| is_pair(*index)).count();
    let digits = groups.digits(first..next + rest).len();
    is_area && rest > 0 && (8..=10).contains(&digits) && clock_time(groups, next).is_none() && !day_month(groups, next)
}

fn is_day(groups: &Groups<'_>, index: usize) -> bool {
    groups.length(index) <= 2 && groups.value(index).is_some_and(|day| (1..=31).contains(&day))
}

fn is_month(groups: &Groups<'_>, index: usize) -> bool {
    groups.length(index) <= 2 && groups.value(index).is_some_and(|month| (1..=12).contains(&month))
}

/// Whether three groups are divided by the same separator, one of these.
fn same_glue(groups: &Groups<'_>, first: usize, marks: &str) -> bool {
    let glue = groups.glue(first + 1);
    glue.is_some_and(|glue| marks.contains(glue)) && glue == groups.glue(first + 2)
}

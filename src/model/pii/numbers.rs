//! Finds identity and phone numbers among the numbers of a text.
//!
//! Each group of digits is read as the first of: an address of a device, the number that a word before it announces, an
//! identity number by its shape, a date or time, an identity number by its check digit, a phone number. What is none of them
//! stays. Every reading looks at a bounded number of groups and characters, so the whole takes linear time.

mod address;
mod announcement;
mod groups;
mod identity;
mod moment;
mod phone;

use std::ops::Range;

use announcement::{Announcement, announcement};
use groups::Groups;
use identity::Identity;
use phone::{is_mobile_number, phone};

use super::normalized::Normalized;

/// What consecutive groups of digits are.
#[derive(Debug)]
enum Reading {
    /// So many groups are not personal.
    Kept(usize),
    /// So many groups are a date or time.
    Moment(usize),
    /// So many groups are personal, and these characters are to be redacted.
    Personal(usize, Range<usize>),
}

/// Ranges of characters of identity and phone numbers.
pub(super) fn numbers(text: &Normalized) -> Vec<Range<usize>> {
    let groups = Groups::new(text);
    let mut reader = Reader { groups: &groups, announced: None, is_after_reading: false, is_after_moment: false };
    let mut ranges = Vec::new();
    let mut next = 0;
    while next < groups.len() {
        let reading = reader.read(next);
        let count = match &reading {
            Some(Reading::Kept(count) | Reading::Moment(count) | Reading::Personal(count, _)) => *count,
            None => 1,
        };
        reader.is_after_moment = matches!(reading, Some(Reading::Moment(_)));
        reader.is_after_reading = reading.is_some();
        if let Some(Reading::Personal(_, range)) = reading {
            ranges.push(range);
        }
        next += count;
    }
    ranges
}

/// Reads the groups of a text in order.
struct Reader<'a> {
    groups: &'a Groups<'a>,
    /// What was announced last, by the index of its group.
    announced: Option<(Announcement, usize)>,
    /// Whether the groups before were a number of a known kind, so that another one may begin here.
    is_after_reading: bool,
    is_after_moment: bool,
}

impl Reader<'_> {
    fn read(&mut self, first: usize) -> Option<Reading> {
        let groups = self.groups;
        if let Some(count) = address::address(groups, first) {
            return Some(Reading::Kept(count));
        }
        let announcement = self.announcement(first);
        match announcement {
            Some(announcement @ (Announcement::Thing | Announcement::Reference | Announcement::List)) => {
                return Some(self.announced(first, announcement));
            }
            Some(Announcement::Identity) if groups.plus(first).is_none() => {
                let identity = identity::by_shape(groups, first).or_else(|| identity::announced(groups, first));
                if let Some(identity) = identity {
                    return Some(self.identity(first, identity));
                }
            }
            Some(Announcement::Identity | Announcement::Time | Announcement::Phone) | None => {}
        }
        let is_time_expected = announcement == Some(Announcement::Time)
            || self.is_after_moment && groups.gap(first).is_some_and(|gap| gap.has_blank);
        let by_shape = identity::by_shape(groups, first).filter(|identity| !self.is_amount(first, *identity));
        by_shape
            .map(|identity| self.identity(first, identity))
            .or_else(|| moment::moment(groups, first).map(Reading::Moment))
            .or_else(|| moment::hours(groups, first, is_time_expected).map(Reading::Moment))
            .or_else(|| identity::by_check_digit(groups, first).map(|identity| self.identity(first, identity)))
            .or_else(|| {
                let is_separate = self.is_after_reading || phone::is_separate(groups, first);
                let count = if is_separate { phone(groups, first, announcement == Some(Announcement::Phone)) } else { None };
                count
                    .filter(|count| !followed_by_unit(groups, first + count) || !self.is_bare(first))
                    .map(|count| self.phone(first, count))
            })
    }

    /// What the word before a group says; numbers of the same length in an enumeration are of the same kind.
    fn announcement(&mut self, first: usize) -> Option<Announcement> {
        let groups = self.groups;
        let before = self.announced.filter(|(_, index)| index + 1 == first && groups.length(*index) == groups.length(first));
        let announcement = match before {
            // Only a word directly before a number says that it is not that of a person.
            Some((Announcement::Thing, index)) if is_enumeration(groups, index, first) => Some(Announcement::Reference),
            Some((before, index)) if is_enumeration(groups, index, first) => Some(before),
            _ if groups.gap(first).is_none() => announcement(groups, first),
            _ => None,
        };
        self.announced = announcement.map(|announcement| (announcement, first));
        announcement
    }

    /// The number that was announced as one of a thing or as a reference. It stays, unless it is an identity or phone number
    /// beyond doubt: some people are filed under theirs.
    fn announced(&self, first: usize, announcement: Announcement) -> Reading {
        let groups = self.groups;
        let is_reference = announcement != Announcement::Thing;
        let by_check_digit = || identity::by_check_digit(groups, first).filter(|_| announcement != Announcement::List);
        if let Some(identity) = identity::by_shape(groups, first).or_else(by_check_digit) {
            let digits = groups.digits(first..first + identity.count);
            let has_letter = identity.end > groups.end(first + identity.count - 1) || digits.len() < 10;
            // Order numbers have hyphens, strokes or full stops inside, if anything.
            let is_divided = identity.count == 2 && groups.glue(first + 1).is_none_or(|glue| !"-/._".contains(glue));
            let is_plausible = identity::is_plausible(digits);
            let is_certain = is_plausible && (identity::has_check_digit(digits) || is_divided);
            if is_certain || has_letter || is_reference && is_plausible {
                return self.identity(first, identity);
            }
        }
        if let Some(count) = phone(groups, first, false) {
            let is_mobile = is_mobile_number(groups.digits(first..first + count));
            let is_certain = groups.plus(first).is_some() || is_mobile && (is_reference || phone::is_spelled(groups, first));
            if is_certain || announcement == Announcement::Reference && count > 1 {
                return self.phone(first, count);
            }
        }
        let belongs = |index: &usize| {
            let is_joined = groups.glue(*index).is_some_and(|glue| "-/._".contains(glue))
                || announcement == Announcement::List && groups.length(*index) <= 4 && groups.gap(*index).is_some();
            is_joined && groups.length(*index) > 0 && !self.begins_certain_number(*index)
        };
        Reading::Kept(1 + (first + 1..groups.len()).take_while(belongs).count())
    }

    /// Whether another number begins here that is an identity or phone number even after an announced one.
    fn begins_certain_number(&self, first: usize) -> bool {
        let groups = self.groups;
        let is_identity = |identity: Identity| identity::is_plausible(groups.digits(first..first + identity.count));
        let is_phone = |count: usize| {
            let is_divided = groups.glue(first + 1).is_some() && groups.length(first + 1) >= 3;
            is_mobile_number(groups.digits(first..first + count))
                || is_divided
                || groups.length(first) > 2
                || groups.glue(first) == Some('/')
                || groups.plus(first).is_some()
        };
        identity::by_shape(groups, first).is_some_and(is_identity) || phone(groups, first, false).is_some_and(is_phone)
    }

    fn identity(&self, first: usize, identity: Identity) -> Reading {
        // A plus before all of it begins an international phone number; inside, it would be a separator.
        let plus = self.groups.plus(first).filter(|_| self.groups.gap(first).is_none_or(|gap| gap.has_blank));
        Reading::Personal(identity.count, plus.unwrap_or_else(|| self.groups.start(first))..identity.end)
    }

    fn phone(&self, first: usize, count: usize) -> Reading {
        let start = self.groups.plus(first).unwrap_or_else(|| self.groups.start(first));
        Reading::Personal(count, start..self.groups.end(first + count - 1))
    }

    /// Whether this is rather an amount, by the unit after it.
    fn is_amount(&self, first: usize, identity: Identity) -> bool {
        let digits = self.groups.digits(first..first + identity.count);
        let is_number = identity::is_plausible(digits);
        !is_number && identity.count == 1 && digits.first() != Some(&0) && followed_by_unit(self.groups, first + 1)
    }

    /// Whether a phone number here begins neither with a zero nor with a plus.
    fn is_bare(&self, first: usize) -> bool {
        self.groups.plus(first).is_none() && self.groups.digits(first..first + 1).first() != Some(&0)
    }
}

/// Whether an enumeration stands between two groups.
fn is_enumeration(groups: &Groups<'_>, before: usize, index: usize) -> bool {
    let (start, end) = (groups.end(before), groups.start(index));
    let between: String = groups.text.characters(start..end.min(start + 10)).collect();
    end - start <= 8 && matches!(between.trim(), "," | ";" | "/" | "&" | "+" | "-" | "och" | "samt" | "eller" | "el" | "resp")
}

/// Whether a unit stands before this group, that is after the one before it: the number is an amount.
fn followed_by_unit(groups: &Groups<'_>, next: usize) -> bool {
    let Some(last) = next.checked_sub(1) else { return false };
    let end = groups.end(last);
    let word = groups.text.characters(end..end + 10).skip_while(|character| *character == ' ');
    let word: String = word.take_while(|character| character.is_alphabetic()).flat_map(char::to_lowercase).collect();
    matches!(
        word.as_str(),
        "byte"
            | "bytes"
            | "kb"
            | "mb"
            | "gb"
            | "tb"
            | "bit"
            | "kbit"
            | "mbit"
            | "gbit"
            | "bps"
            | "kbps"
            | "mbps"
            | "paket"
            | "packets"
            | "pkt"
            | "kr"
            | "sek"
            | "kronor"
            | "hz"
            | "khz"
            | "mhz"
            | "ms"
            | "sekunder"
            | "fel"
            | "errors"
    )
}

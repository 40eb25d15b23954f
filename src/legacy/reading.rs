//! Reads the values in elements, counting what is odd about them.

use jiff::civil::{Date, DateTime, Time};

use super::call::Call;
use super::drift::Kind;
use super::profile::Profile;
use super::xml::{Element, Oddity, Tree};
use crate::model::{CustomerId, LocalTime, Open, OrderId, Word};

/// Reads values of the answer to a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    call: &'static Call,
    profile: &'a Profile,
}

/// Why an item cannot be read: a fixed text, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread(pub(crate) &'static str);

impl<'a> Reading<'a> {
    pub(crate) const fn new(call: &'static Call, profile: &'a Profile) -> Self {
        Self { call, profile }
    }

    /// A word of an open list.
    pub(crate) fn word<W: Word>(&self, element: Element<'_>) -> Option<Open<W>> {
        let word = Open::read(element.trimmed()?);
        if matches!(word, Open::Unknown(_)) {
            self.count(Kind::UnknownWord, element);
        }
        Some(word)
    }

    /// A local time with seconds, with minutes or a date alone. Zero dates and what is no date are none.
    pub(crate) fn time(&self, element: Element<'_>) -> Option<LocalTime> {
        let text = element.trimmed()?;
        let time = parse_time(text);
        if time.is_none() {
            self.count(Kind::UnreadableDate, element);
        }
        time.map(|wall| self.profile.zone.local(wall))
    }

    /// Notes an element that nothing reads.
    pub(crate) fn unknown(&self, element: Element<'_>) {
        self.count(Kind::UnknownElement, element);
    }

    /// Notes an element that was always there and is not.
    pub(crate) fn missing(&self, path: &str) {
        self.profile.drift.count(self.call, Kind::MissingElement, path);
    }

    /// Notes what is odd about how the elements were written.
    pub(crate) fn note_oddities(&self, tree: &Tree) {
        for (oddity, element) in tree.oddities() {
            let kind = match oddity {
                Oddity::Attribute => Kind::Attribute,
                Oddity::Charset => Kind::Charset,
                Oddity::Entity => Kind::Entity,
                Oddity::MixedText => Kind::UnknownElement,
            };
            self.count(kind, element);
        }
    }

    fn count(&self, kind: Kind, element: Element<'_>) {
        self.profile.drift.count(self.call, kind, &element.path());
    }
}

/// The text of an element exactly as it stood; blank means none.
pub(crate) fn text(element: Element<'_>) -> Option<String> {
    element.text().map(str::to_owned)
}

/// The id of an order; `None` when the element is blank.
pub(crate) fn order_id(element: Element<'_>) -> Result<Option<OrderId>, Unread> {
    element.trimmed().map(OrderId::parse).transpose().map_err(|_| Unread("its id is no number that an order can have"))
}

/// The id of a customer; `None` when the element is blank.
pub(crate) fn customer_id(element: Element<'_>) -> Result<Option<CustomerId>, Unread> {
    let id = element.trimmed().map(CustomerId::parse).transpose();
    id.map_err(|_| Unread("its customer id is no number that a customer can have"))
}

/// Fills a place with the first value that came for it: an element that is repeated says nothing new.
pub(crate) fn first<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

/// Reads `2015-10-06 11:48:00`, `2015-10-06 11:48` or `2015-10-06`.
pub(crate) fn parse_time(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once(' ').map_or((text, None), |(date, time)| (date, Some(time)));
    let date = parse_date(date)?;
    let Some(time) = time else { return Some(date.to_datetime(Time::midnight())) };
    let (hour, minute, second) = match time.len() {
        5 => (digits(time, 0..2)?, digits(time, 3..5)?, 0),
        8 if time.get(5..6) == Some(":") => (digits(time, 0..2)?, digits(time, 3..5)?, digits(time, 6..8)?),
        _ => return None,
    };
    let has_colon = time.get(2..3) == Some(":");
    has_colon.then(|| Time::new(hour, minute, second, 0).ok()).flatten().map(|time| date.to_datetime(time))
}

/// Reads `2015-10-06`, a day that the calendar has.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let has_shape = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    if !has_shape {
        return None;
    }
    let year: i16 = i16::from(digits(text, 0..2)?) * 100 + i16::from(digits(text, 2..4)?);
    Date::new(year, digits(text, 5..7)?, digits(text, 8..10)?).ok().filter(|date| date.year() > 0)
}

fn digits(text: &str, range: std::ops::Range<usize>) -> Option<i8> {
    let text = text.get(range)?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn times_come_in_three_precisions() {
        assert_eq!(parse_time("2015-10-06 11:48:07"), Some(datetime(2015, 10, 6, 11, 48, 7, 0)));
        assert_eq!(parse_time("2015-10-06 11:48"), Some(datetime(2015, 10, 6, 11, 48, 0, 0)));
        assert_eq!(parse_time("2015-10-06"), Some(datetime(2015, 10, 6, 0, 0, 0, 0)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for bad in [
            "0000-00-00 00:00:00",
            "0000-01-01",
            "2015-02-30",
            "2015-10-06 24:00",
            "2015-10-06 11:60",
            "2015-10-06T11:48",
            "2015-10-06 11:48:60",
            "2015-10-6",
            "06-10-2015",
            "15-10-06",
            "2015-10-06 11.48",
            "2015-10-06 11:48.07",
            "igår",
            "2015-10-06  11:48",
            "2015-10-06 1148:07",
            "２０15-10-06",
            "+015-10-06",
            "2015-10-06 +1:48",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}

//! Reads the values in elements, counting what is odd about them.

use jiff::civil::{Date, DateTime, Time};

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::schema_drift::Kind;
use super::xml::{Anomaly, Element, Tree};
use crate::model::{CustomerId, Extensible, LocalTime, OffsetCache, OrderId, StrEnum};

/// Reads values of the answer to a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldReader<'a> {
    call: &'static MethodSpec,
    profile: &'a DecodeSettings,
    known_days: &'a OffsetCache,
}

/// Why an item cannot be read: a fixed text, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeError(pub(crate) &'static str);

impl<'a> FieldReader<'a> {
    pub(crate) const fn new(call: &'static MethodSpec, profile: &'a DecodeSettings, known_days: &'a OffsetCache) -> Self {
        Self { call, profile, known_days }
    }

    /// A word of an open list.
    pub(crate) fn enum_value<W: StrEnum>(&self, element: Element<'_>) -> Option<Extensible<W>> {
        let word = Extensible::from_wire(element.trimmed()?);
        if matches!(word, Extensible::Unknown(_)) {
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
        time.map(|wall| self.profile.zone.resolve_cached(wall, self.known_days))
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
    pub(crate) fn note_anomalies(&self, tree: &Tree) {
        for (anomaly, element) in tree.anomalies() {
            let kind = match anomaly {
                Anomaly::Attribute => Kind::Attribute,
                Anomaly::Charset => Kind::Charset,
                Anomaly::Entity => Kind::Entity,
                Anomaly::MixedText => Kind::UnknownElement,
            };
            self.count(kind, element);
        }
    }

    fn count(&self, kind: Kind, element: Element<'_>) {
        self.profile.drift.count(self.call, kind, &element.path());
    }
}

/// The text of an element exactly as it stood; blank means none.
pub(crate) fn text<'e, T: From<&'e str>>(element: Element<'e>) -> Option<T> {
    element.text().map(T::from)
}

/// The id of an order; `None` when the element is blank.
pub(crate) fn order_id(element: Element<'_>) -> Result<Option<OrderId>, DecodeError> {
    element.trimmed().map(OrderId::parse).transpose().map_err(|_| DecodeError("its id is no number that an order can have"))
}

/// The id of a customer; `None` when the element is blank.
pub(crate) fn customer_id(element: Element<'_>) -> Result<Option<CustomerId>, DecodeError> {
    let id = element.trimmed().map(CustomerId::parse).transpose();
    id.map_err(|_| DecodeError("its customer id is no number that a customer can have"))
}

/// Fills a place with the first value that came for it: an element that is repeated says nothing new.
pub(crate) fn set_once<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

/// Reads `2015-10-06 11:48:00`, `2015-10-06 11:48` or `2015-10-06`.
pub(crate) fn parse_time(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_at_checked(10)?;
    let date = parse_date(date)?;
    let (hour, minute, second) = match time.as_bytes() {
        [] => (0, 0, 0),
        [b' ', hour @ .., b':', m, n] if hour.len() == 2 => (number(hour)?, number(&[*m, *n])?, 0),
        [b' ', hour @ .., b':', m, n, b':', s, t] if hour.len() == 2 => (number(hour)?, number(&[*m, *n])?, number(&[*s, *t])?),
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok().map(|time| date.to_datetime(time))
}

/// Reads `2015-10-06`, a day that the calendar has.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.as_bytes().splitn(3, |byte| *byte == b'-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (century, rest) = year.split_at_checked(2)?;
    let year = i16::from(number(century)?) * 100 + i16::from(number(rest)?);
    Date::new(year, number(month)?, number(day)?).ok().filter(|date| date.year() > 0)
}

/// Reads two digits.
fn number(digits: &[u8]) -> Option<i8> {
    let [tens, ones] = digits else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
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

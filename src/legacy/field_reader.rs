//! Reads the values of elements and counts schema drift.

use jiff::civil::{Date, DateTime, Time};

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::schema_drift::DriftKind;
use super::xml::{Anomaly, Element, Tree};
use crate::model::{CustomerId, Extensible, LocalTime, OffsetCache, OrderId, StrEnum};

/// Reads values from the answer to one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldReader<'a> {
    method: &'static MethodSpec,
    settings: &'a DecodeSettings,
    offsets: &'a OffsetCache,
}

/// Why an item cannot be decoded: a fixed text, never a value from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DecodeError(pub(crate) &'static str);

impl<'a> FieldReader<'a> {
    pub(crate) const fn new(method: &'static MethodSpec, settings: &'a DecodeSettings, offsets: &'a OffsetCache) -> Self {
        Self { method, settings, offsets }
    }

    /// A value of an open enum.
    pub(crate) fn enum_value<E: StrEnum>(&self, element: Element<'_>) -> Option<Extensible<E>> {
        let text = element.text()?;
        let value: Extensible<E> = Extensible::from_wire(&text);
        if matches!(value, Extensible::Unknown(_)) || value.as_str() != text {
            self.count(DriftKind::UnknownValue, element);
        }
        Some(value)
    }

    /// A local time: with seconds, with minutes, or a date alone. `None` for zero dates and anything else.
    pub(crate) fn time(&self, element: Element<'_>) -> Option<LocalTime> {
        let time = parse_time(&element.text()?);
        if time.is_none() {
            self.count(DriftKind::UnreadableDate, element);
        }
        time.map(|wall| self.settings.zone.resolve_cached(wall, self.offsets))
    }

    /// Counts an element that no decoder reads.
    pub(crate) fn unknown(&self, element: Element<'_>) {
        self.count(DriftKind::UnknownElement, element);
    }

    /// Counts an element that every known answer has and this one does not.
    pub(crate) fn missing(&self, path: &str) {
        self.settings.drift.count(self.method, DriftKind::MissingElement, path);
    }

    /// Counts the anomalies of all elements of a tree.
    pub(crate) fn count_anomalies(&self, tree: &Tree) {
        for (anomaly, element) in tree.anomalies() {
            let kind = match anomaly {
                Anomaly::Attribute => DriftKind::Attribute,
                Anomaly::Charset => DriftKind::Charset,
                Anomaly::Entity => DriftKind::Entity,
                Anomaly::TextBetweenFields => DriftKind::UnknownElement,
                Anomaly::MarkupInValue => DriftKind::MixedContent,
            };
            self.count(kind, element);
        }
    }

    fn count(&self, kind: DriftKind, element: Element<'_>) {
        self.settings.drift.count(self.method, kind, &element.path());
    }
}

/// The text of an element; `None` when blank.
pub(crate) fn text<T: for<'t> From<&'t str>>(element: Element<'_>) -> Option<T> {
    element.text().map(|text| T::from(&text))
}

/// The id of an order; `None` when the element is blank.
pub(crate) fn order_id(element: Element<'_>) -> Result<Option<OrderId>, DecodeError> {
    element.text().map(|text| OrderId::parse(&text)).transpose().map_err(|_| DecodeError("its id is not a valid order id"))
}

/// The id of a customer; `None` when the element is blank.
pub(crate) fn customer_id(element: Element<'_>) -> Result<Option<CustomerId>, DecodeError> {
    let id = element.text().map(|text| CustomerId::parse(&text)).transpose();
    id.map_err(|_| DecodeError("its customer id is not a valid customer id"))
}

/// Fills an empty slot: of repeated elements the first value counts.
pub(crate) fn set_once<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// Parses `2015-10-06 11:48:00`, `2015-10-06 11:48` or `2015-10-06`. By hand, because lists have two dates per order.
pub(crate) fn parse_time(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_at_checked(10)?;
    let date = parse_date(date)?;
    let (hour, minute, second) = match time.as_bytes() {
        [] => (0, 0, 0),
        [b' ', h1, h2, b':', m1, m2] => (two_digits(&[*h1, *h2])?, two_digits(&[*m1, *m2])?, 0),
        [b' ', h1, h2, b':', m1, m2, b':', s1, s2] => {
            (two_digits(&[*h1, *h2])?, two_digits(&[*m1, *m2])?, two_digits(&[*s1, *s2])?)
        }
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok().map(|time| date.to_datetime(time))
}

/// Parses `2015-10-06`, if the calendar has that day. There is no year 0: `0000-…` is a zero date.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let mut fields = text.as_bytes().splitn(3, |byte| *byte == b'-');
    let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
    let (century, rest) = year.split_at_checked(2)?;
    let year = i16::from(two_digits(century)?) * 100 + i16::from(two_digits(rest)?);
    Date::new(year, two_digits(month)?, two_digits(day)?).ok().filter(|date| date.year() > 0)
}

/// Parses exactly two ASCII digits.
fn two_digits(digits: &[u8]) -> Option<i8> {
    let [tens, ones] = digits else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn times_are_parsed_in_three_precisions() {
        assert_eq!(parse_time("2015-10-06 11:48:07"), Some(datetime(2015, 10, 6, 11, 48, 7, 0)));
        assert_eq!(parse_time("2015-10-06 11:48"), Some(datetime(2015, 10, 6, 11, 48, 0, 0)));
        assert_eq!(parse_time("2015-10-06"), Some(datetime(2015, 10, 6, 0, 0, 0, 0)));
    }

    #[test]
    fn zero_dates_and_malformed_times_are_not_parsed() {
        for text in [
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
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}

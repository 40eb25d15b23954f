//! The forms in which the upstream writes times.
//!
//! Three are documented: with seconds, with minutes, and a date alone. Others are read too, if no reader could take them for
//! another time: what database drivers and date libraries write when one of them is replaced. `03/04/2016` is not among them.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, date};
use jiff::tz::Offset;

/// What some languages write for a time that was never set. Year 0 does not exist, so `0000-00-00` needs no rule.
const UNSET: Date = date(1, 1, 1);

/// Parses `2015-10-06 11:48:00`, `2015-10-06 11:48` or `2015-10-06`. By hand, because lists have two dates per order.
pub(crate) fn parse_documented(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_at_checked(10)?;
    let date = parse_day(date)?;
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

/// Parses the other forms: with `T` or any white space before the time, an hour of one digit, a fraction of the second, and a
/// UTC offset. The time of day may also be `24:00:00`, the end of the day, and have a leap second. Fractions are removed.
pub(crate) fn parse_other(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let (date, rest) = text.trim().split_at_checked(10)?;
    let midnight = parse_day(date)?.to_datetime(Time::midnight());
    if rest.is_empty() {
        return Some((midnight, None));
    }
    let unspaced = rest.trim_start();
    let time = if unspaced.len() < rest.len() { unspaced } else { rest.strip_prefix(['T', 't'])? };
    let (clock, rest) = split_where(time, |character| !matches!(character, '0'..='9' | ':'));
    let (since_midnight, has_seconds) = parse_clock(clock)?;
    let (has_fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(fraction) if has_seconds => {
            let (digits, rest) = split_where(fraction, |character| !character.is_ascii_digit());
            (!digits.is_empty()).then_some((digits.bytes().any(|digit| digit != b'0'), rest))?
        }
        Some(_) => return None,
        None => (false, rest),
    };
    if has_fraction && since_midnight == DAY {
        return None;
    }
    let offset = match rest.trim_start() {
        "" => None,
        offset => Some(parse_offset(offset)?),
    };
    Some((midnight.checked_add(since_midnight).ok()?, offset))
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Parses `9:05`, `09:05` or `09:05:02`. Returns the time since midnight, and whether there are seconds.
fn parse_clock(text: &str) -> Option<(SignedDuration, bool)> {
    let mut fields = text.split(':');
    let (hour, minute, second) = (fields.next()?, fields.next()?, fields.next());
    let hour = match hour.as_bytes() {
        [digit] => two_digits(&[b'0', *digit])?,
        digits => two_digits(digits)?,
    };
    let (minute, seconds) = (two_digits(minute.as_bytes())?, second.map_or(Some(0), |second| two_digits(second.as_bytes()))?);
    let is_valid = matches!((hour, minute, seconds), (0..=23, 0..=59, 0..=60) | (24, 0, 0)) && fields.next().is_none();
    let (minutes, seconds) = (i64::from(hour) * 60 + i64::from(minute), i64::from(seconds));
    is_valid.then_some((SignedDuration::from_secs(minutes * 60 + seconds), second.is_some()))
}

/// Parses a UTC offset: `Z`, `+01:00`, `+0100` or `+01`.
fn parse_offset(text: &str) -> Option<Offset> {
    if ["Z", "UTC", "GMT"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = match digits.as_bytes() {
        [h1, h2] => (two_digits(&[*h1, *h2])?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two_digits(&[*h1, *h2])?, two_digits(&[*m1, *m2])?),
        _ => return None,
    };
    // No place on earth is further from UTC.
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
    let is_valid = minutes < 60 && seconds <= 14 * 3600;
    if is_valid { Offset::from_seconds(sign * seconds).ok() } else { None }
}

/// Splits before the first character that `ends` the first part.
fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Parses the date of a time, which has not been set if it is zero.
pub(crate) fn parse_day(text: &str) -> Option<Date> {
    parse_date(text).filter(|date| *date != UNSET)
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
    use jiff::Timestamp;
    use jiff::civil::datetime;
    use proptest::prelude::*;

    use super::*;
    use crate::model::Zone;

    #[test]
    fn documented_times_have_three_precisions() {
        assert_eq!(parse_documented("2015-10-06 11:48:07"), Some(datetime(2015, 10, 6, 11, 48, 7, 0)));
        assert_eq!(parse_documented("2015-10-06 11:48"), Some(datetime(2015, 10, 6, 11, 48, 0, 0)));
        assert_eq!(parse_documented("2015-10-06"), Some(datetime(2015, 10, 6, 0, 0, 0, 0)));
    }

    #[test]
    fn times_beyond_doubt_are_parsed_in_other_forms() {
        let (time, minute) = (datetime(2015, 10, 6, 9, 48, 7, 0), datetime(2015, 10, 6, 9, 48, 0, 0));
        let hours = |hours| Some(Offset::constant(hours));
        for (text, expected) in [
            ("2015-10-06T09:48:07", (time, None)),
            ("2015-10-06t09:48", (minute, None)),
            ("2015-10-06   09:48:07", (time, None)),
            ("2015-10-06\t09:48:07", (time, None)),
            ("2015-10-06\n  09:48:07", (time, None)),
            ("2015-10-06\u{a0}09:48:07", (time, None)),
            ("\u{a0}2015-10-06 09:48:07\u{a0}", (time, None)),
            ("2015-10-06\u{a0}", (datetime(2015, 10, 6, 0, 0, 0, 0), None)),
            ("2015-10-06 9:48:07", (time, None)),
            ("2015-10-06T9:48", (minute, None)),
            ("2015-10-06 09:48:07.0", (time, None)),
            ("2015-10-06 09:48:07,999999999", (time, None)),
            ("2015-10-06T09:48:07.1234567+02:00", (time, hours(2))),
            ("2015-10-06T09:48:07Z", (time, hours(0))),
            ("2015-10-06T09:48z", (minute, hours(0))),
            ("2015-10-06 09:48:07 UTC", (time, hours(0))),
            ("2015-10-06 09:48:07 +02:00", (time, hours(2))),
            ("2015-10-06 09:48:07 +0200", (time, hours(2))),
            ("2015-10-06 09:48:07+02", (time, hours(2))),
            ("2015-10-06 09:48-05:00", (minute, hours(-5))),
            ("2015-10-06 24:00:00", (datetime(2015, 10, 7, 0, 0, 0, 0), None)),
            ("2015-12-31T24:00", (datetime(2016, 1, 1, 0, 0, 0, 0), None)),
            ("2015-12-31 24:00:00.000", (datetime(2016, 1, 1, 0, 0, 0, 0), None)),
            ("2016-12-31 23:59:60", (datetime(2017, 1, 1, 0, 0, 0, 0), None)),
        ] {
            assert_eq!(parse_other(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn zero_dates_and_doubtful_times_are_not_parsed() {
        for text in [
            "0000-00-00 00:00:00",
            "0000-00-00T00:00:00",
            "0000-01-01",
            "0001-01-01",
            "0001-01-01 00:00:00",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "1-01-01",
            "2015-02-30",
            "2015-02-30T09:48",
            "2015-10-06 24:01",
            "2015-10-06 24:00:01",
            "2015-10-06 24:00:00.5",
            "2015-10-06 25:00",
            "2015-10-06 11:60",
            "2015-10-06 11:48:61",
            "2015-10-06 11:4",
            "2015-10-06 11",
            "2015-10-06 011:48",
            "2015-10-06 11:48:",
            "2015-10-06 11:48:07:00",
            "2015-10-06 11:48:07.",
            "2015-10-06 11:48.5",
            "2015-10-06T",
            "2015-10-06TT11:48",
            "2015-10-06Z",
            "2015-10-06+02:00",
            "2015-10-06 +02:00",
            "2015-10-06 11:48+2",
            "2015-10-06 11:48+15:00",
            "2015-10-06 11:48+02:60",
            "2015-10-06 11:48+",
            "2015-10-06 11:48 PM",
            "2015-10-06 11:48Zx",
            "2015-10-6",
            "06-10-2015",
            "15-10-06",
            "03/04/2016",
            "14.3.2016",
            "20151006",
            "2015-10-06 11.48",
            "2015-10-06 11:48.07",
            "igår",
            "",
            "2015-10-06 1148:07",
            "２０15-10-06",
            "+015-10-06",
            "2015-10-06 +1:48",
            "9999-12-31 24:00",
        ] {
            assert_eq!((parse_documented(text), parse_other(text)), (None, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_form_of_a_time_is_parsed_as_that_time(
            seconds in 0_i64..4_000_000_000,
            separator in prop::sample::select(vec!["T", "t", " ", "   ", "\t", "\u{a0}", " \n"]),
            fraction in "([.,][0-9]{1,9})?",
            offset in prop::option::of(-12_i32..=14),
            shape in 0..4,
        ) {
            let wall = datetime(1990, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_secs(seconds)).unwrap();
            let short_hour = wall.time().hour() < 10 && shape == 0;
            let clock = if short_hour { wall.strftime("%-H:%M:%S") } else { wall.strftime("%H:%M:%S") }.to_string();
            let suffix = offset.map(|hours| match (hours, shape) {
                (0, 1) => "Z".to_owned(),
                (_, 2) => format!("{hours:+03}"),
                (_, 3) => format!(" {hours:+03}00"),
                _ => format!("{hours:+03}:00"),
            });
            let text = format!("{}{separator}{clock}{fraction}{}", wall.strftime("%Y-%m-%d"), suffix.unwrap_or_default());
            let expected = (wall, offset.map(|hours| Offset::from_seconds(hours * 3600).unwrap()));

            prop_assert_eq!(parse_other(&text), Some(expected), "{}", text);
        }

        #[test]
        fn documented_times_read_the_same_in_the_other_parser(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?",
        ) {
            if let Some(wall) = parse_documented(&text) {
                prop_assert_eq!(parse_other(&text), Some((wall, None)));
            }
        }

        #[test]
        fn parsed_times_are_on_the_day_of_the_text(text in "20[0-9]{2}-[01][0-9]-[0-3][0-9][0-9TZ:.,+ -]{0,14}") {
            if let Some((wall, _)) = parse_other(&text) {
                let day = parse_date(&text[..10]).expect("a date");
                prop_assert!(wall.date() == day || wall == day.tomorrow().unwrap().to_datetime(Time::midnight()), "{text}");
            }
        }

        #[test]
        fn rfc_3339_times_are_the_same_instant(second in 0_i64..4_000_000_000) {
            let (zone, instant) = (Zone::stockholm(), Timestamp::from_second(second).unwrap());
            let time = zone.at(instant);

            let (wall, offset) = parse_other(&time.to_string()).expect("a time");

            prop_assert_eq!(zone.convert(wall, offset.expect("an offset")), Some(time));
            prop_assert_eq!((time.earliest(), time.latest()), (instant, instant));
        }
    }
}

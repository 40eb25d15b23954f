//! Dates and times in query parameters.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::Zone;

/// Parses a date (its first instant in `zone`) or an RFC 3339 time. A query string encodes a space as `+`; clients that forget
/// to percent-encode the `+` of an offset mean `+`, so a space is read as one.
pub(super) fn parse_datetime(text: &str, zone: &Zone) -> Option<Timestamp> {
    if let Some(date) = parse_date(text) {
        return Some(zone.start_of(date));
    }
    parse_instant(&text.replace(' ', "+"), zone)
}

/// Parses an RFC 3339 time whose date in `zone` is a valid one too.
pub(in crate::rest) fn parse_instant(text: &str, zone: &Zone) -> Option<Timestamp> {
    let instant = is_rfc_3339(text).then(|| text.parse().ok()).flatten();
    instant.filter(|instant| (1..=9999).contains(&zone.date(*instant).year()))
}

/// Parses a date such as `2016-03-14`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    has_shape(text, "0000-00-00").then(|| text.parse().ok()).flatten().filter(|date: &Date| date.year() > 0)
}

/// Whether the text has exactly the format of RFC 3339. The library checks the calendar, but accepts other formats as well.
fn is_rfc_3339(text: &str) -> bool {
    let Some((time, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let rest =
        rest.strip_prefix('.').map_or(rest, |fraction| fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    let has_offset = matches!(rest, "Z" | "z") || is_offset(rest);
    has_shape(&time.replace('t', "T"), "0000-00-00T00:00:00") && has_offset && !text.contains(".Z") && !text.contains(".+")
}

fn is_offset(text: &str) -> bool {
    let (hours, minutes) = (text.get(1..3).unwrap_or_default(), text.get(4..6).unwrap_or_default());
    (has_shape(text, "+00:00") || has_shape(text, "-00:00")) && hours < "24" && minutes < "60"
}

/// Whether the text has a digit wherever the shape has `0`, and the same characters elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_rfc_3339_times_are_parsed() {
        let zone = Zone::stockholm();
        for (text, instant) in [
            ("2016-03-14", "2016-03-13T23:00:00Z"),
            ("2016-07-14", "2016-07-13T22:00:00Z"),
            ("2016-03-14T09:05:00+01:00", "2016-03-14T08:05:00Z"),
            ("2016-03-14T09:05:00 01:00", "2016-03-14T08:05:00Z"),
            ("2016-03-14T09:05:00Z", "2016-03-14T09:05:00Z"),
            ("2016-03-14t09:05:00.25-02:30", "2016-03-14T11:35:00.25Z"),
        ] {
            assert_eq!(parse_datetime(text, &zone), instant.parse().ok(), "{text}");
        }
    }

    #[test]
    fn other_formats_are_rejected() {
        for text in [
            "",
            "2016-02-30",
            "0000-00-00",
            "2016-3-14",
            "14/3 2016",
            "2016-03-14T09:05:00",
            "2016-03-14 09:05",
            "2016-03-14T09:05+01:00",
            "2016-03-14T25:05:00Z",
            "2016-03-14T09:05:00+1:00",
            "2016-03-14T09:05:00.Z",
            "20160314",
            "2016-03-14T09:05:00+01:00[Europe/Stockholm]",
            "２016-03-14",
            "+002016-03-14",
            "now",
            "2016-03-14T09:05:00++1:00",
            "2016-W11-1",
            "0000-01-01T00:00:00+23:00",
            "9999-12-31T23:59:59-12:00",
        ] {
            assert_eq!(parse_datetime(text, &Zone::stockholm()), None, "{text}");
        }
    }
}

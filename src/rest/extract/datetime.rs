//! Dates and times in parameters.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::Zone;

/// Reads a date or an RFC 3339 time. A `+` in a query string means a space, and is meant as `+` all the same.
pub(super) fn parse_datetime(text: &str, zone: &Zone) -> Option<Timestamp> {
    if let Some(date) = parse_date(text) {
        return Some(zone.start_of(date));
    }
    let text = text.replace(' ', "+");
    let moment = is_rfc_3339(&text).then(|| text.parse().ok()).flatten();
    // The order system is asked by its own date, which must be one too.
    moment.filter(|moment| (1..=9999).contains(&zone.date(*moment).year()))
}

pub(super) fn parse_date(text: &str) -> Option<Date> {
    has_shape(text, "0000-00-00").then(|| text.parse().ok()).flatten().filter(|date: &Date| date.year() > 0)
}

/// Whether the text has exactly the form of RFC 3339: the calendar is left to the library, which knows other forms too.
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

/// Whether the text has a digit wherever the shape has `0`, and everything else as it stands there.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_an_rfc_3339_time() {
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
    fn what_is_no_moment_is_refused() {
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

//! The header `Accept` (RFC 9110, section 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

use crate::rest::list::ListFormat;

/// Whether the client accepts JSON. It does without the header, with a header that has no valid media range, and when it lists
/// `application/problem+json` alone, which is JSON too.
pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    json_quality(&ranges(headers)) > 0
}

/// The list format the client prefers; `None` when it accepts neither. JSON, unless the client weights NDJSON higher, or
/// weights both equally and names only NDJSON.
pub(super) fn list_format(headers: &HeaderMap) -> Option<ListFormat> {
    let ranges = ranges(headers);
    let (json, ndjson) = (json_quality(&ranges), quality(&ranges, "application", "x-ndjson"));
    let names = |subtype: &str| ranges.iter().any(|range| range.kind == "application" && range.subtype == subtype);
    let prefers_ndjson = ndjson > json || ndjson == json && names("x-ndjson") && !names("json");
    match (json, ndjson) {
        (0, 0) => None,
        _ if prefers_ndjson && !ranges.is_empty() => Some(ListFormat::Ndjson),
        _ => Some(ListFormat::Json),
    }
}

fn ranges(headers: &HeaderMap) -> Vec<MediaRange> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(split_list).filter_map(parse_range).collect()
}

fn json_quality(ranges: &[MediaRange]) -> u16 {
    match quality(ranges, "application", "json") {
        _ if ranges.is_empty() => 1000,
        0 if !excludes_json(ranges) => quality(ranges, "application", "problem+json"),
        quality => quality,
    }
}

/// A media range with its quality in thousandths.
#[derive(Debug)]
struct MediaRange {
    kind: String,
    subtype: String,
    quality: u16,
}

/// The quality of a media type, decided by the most specific range; 0 when no range matches.
fn quality(ranges: &[MediaRange], kind: &str, subtype: &str) -> u16 {
    let specificity = |range: &MediaRange| match (range.kind.as_str(), range.subtype.as_str()) {
        ("*", "*") => Some(1),
        (other, "*") if other == kind => Some(2),
        (other, exact) if other == kind && exact == subtype => Some(3),
        _ => None,
    };
    let best = ranges.iter().filter_map(|range| Some((specificity(range)?, range.quality))).max();
    best.map_or(0, |(_, quality)| quality)
}

fn excludes_json(ranges: &[MediaRange]) -> bool {
    ranges.iter().any(|range| range.kind == "application" && range.subtype == "json" && range.quality == 0)
}

/// Splits at commas outside of quoted parameters.
fn split_list(value: &str) -> Vec<&str> {
    let mut in_quotes = false;
    let at_comma = move |character: char| {
        in_quotes ^= character == '"';
        character == ',' && !in_quotes
    };
    value.split(at_comma).collect()
}

fn parse_range(text: &str) -> Option<MediaRange> {
    let mut parts = text.split(';');
    let (kind, subtype) = parts.next()?.trim().split_once('/')?;
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| parse_quality(value.trim()))
    });
    Some(MediaRange {
        kind: kind.to_ascii_lowercase(),
        subtype: subtype.to_ascii_lowercase(),
        quality: weight.unwrap_or(Some(1000))?,
    })
}

/// Parses a quality such as `0`, `1`, `0.5` or `0.999` into thousandths.
fn parse_quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction =
        (fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{fraction:0<3}"))?;
    let thousandths = whole.parse::<u16>().ok()?.checked_mul(1000)? + fraction.parse::<u16>().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(value: &str) -> bool {
        accepts_json(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(value).unwrap())]))
    }

    #[test]
    fn json_is_accepted_unless_excluded() {
        assert!(accepts_json(&HeaderMap::new()));
        for value in [
            "*/*",
            "application/json",
            "application/*",
            "APPLICATION/JSON; charset=utf-8",
            "text/html, */*;q=0.1",
            "application/json;q=0.001",
            "application/problem+json",
            "text/html;x=\"a,b\", application/json",
            "",
            "nonsense",
            "text/*;q=0.5, application/json",
        ] {
            assert!(accepts(value), "{value}");
        }
        for value in [
            "text/html",
            "application/xml",
            "*/*;q=0",
            "application/json;q=0",
            "application/json;q=0, */*",
            "application/json;q=0.0, application/problem+json",
            "application/*;q=0, */*",
            "text/*",
            "application/x-ndjson",
        ] {
            assert!(!accepts(value), "{value}");
        }
    }

    #[test]
    fn ndjson_is_used_when_named_or_preferred() {
        let format = |value: &str| list_format(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(value).unwrap())]));
        assert_eq!(list_format(&HeaderMap::new()), Some(ListFormat::Json));
        for (value, expected) in [
            ("*/*", Some(ListFormat::Json)),
            ("application/*", Some(ListFormat::Json)),
            ("nonsense", Some(ListFormat::Json)),
            ("application/x-ndjson", Some(ListFormat::Ndjson)),
            ("application/x-ndjson, */*", Some(ListFormat::Ndjson)),
            ("application/x-ndjson, */*;q=0.1", Some(ListFormat::Ndjson)),
            ("application/x-ndjson, application/json", Some(ListFormat::Json)),
            ("application/x-ndjson, application/json;q=0.9", Some(ListFormat::Ndjson)),
            ("application/x-ndjson;q=0.5, application/json;q=0.9", Some(ListFormat::Json)),
            ("application/x-ndjson, application/problem+json", Some(ListFormat::Ndjson)),
            ("application/json;q=0, */*", Some(ListFormat::Ndjson)),
            ("application/x-ndjson;q=0, */*", Some(ListFormat::Json)),
            ("application/x-ndjson;q=0", None),
            ("text/html", None),
            ("application/problem+json", Some(ListFormat::Json)),
        ] {
            assert_eq!(format(value), expected, "{value}");
        }
    }
}

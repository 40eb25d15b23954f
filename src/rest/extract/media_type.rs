//! The header `Accept` (RFC 9110, section 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

use crate::quality_values::{self, MAX_QUALITY, Weighted};
use crate::rest::list::ListFormat;

/// Whether the client accepts JSON. It does without the header, with a header that has no valid media range, and when it lists
/// `application/problem+json` alone, which is JSON too.
pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter();
    match (values.next(), values.next()) {
        // What nearly every client sends.
        (None, _) => true,
        (Some(value), None) if value == "application/json" || value == "*/*" => true,
        _ => json_quality(&ranges(headers)) > 0,
    }
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

/// The valid media ranges of the header.
fn ranges(headers: &HeaderMap) -> Vec<MediaRange> {
    let elements = quality_values::parse(headers.get_all(ACCEPT)).into_iter();
    let range = |Weighted { value, quality }: Weighted<'_>| {
        // Parameters of the range do not matter: none of ours has any.
        let (kind, subtype) = value.split(';').next()?.trim().split_once('/')?;
        Some(MediaRange { kind: kind.to_ascii_lowercase(), subtype: subtype.to_ascii_lowercase(), quality })
    };
    elements.filter_map(range).collect()
}

fn json_quality(ranges: &[MediaRange]) -> u16 {
    match quality(ranges, "application", "json") {
        _ if ranges.is_empty() => MAX_QUALITY,
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

//! Weighted lists in request headers: `Accept`, `Accept-Encoding` (RFC 9110, section 12.4.2).
//!
//! An element is a value, such as `gzip` or `text/html;level=1`, and a weight (`;q=0.5`) that says how much the client wants
//! it. Header lines of the same name form one list.

use http::HeaderValue;

/// The weight of an element without `q`, in thousandths.
pub const MAX_QUALITY: u16 = 1_000;

/// One element of a weighted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighted<'a> {
    /// The text before the weight, never empty: a token, or a media range with its parameters. Its case is the client's.
    pub value: &'a str,
    /// The weight in thousandths, 0 to [`MAX_QUALITY`]. 0 means "not acceptable".
    pub quality: u16,
}

/// Parses the lines of one header, in order.
///
/// Ignored are empty elements, elements with an invalid weight, and lines with other than visible ASCII characters: a client
/// that makes a mistake in one preference should still get the others. Parameters after the weight are dropped.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Vec<Weighted<'a>> {
    let lines = values.into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| split_unquoted(line, ',')).filter_map(parse_element).collect()
}

fn parse_element(element: &str) -> Option<Weighted<'_>> {
    let mut end_of_value = 0;
    let mut quality = MAX_QUALITY;
    for (index, part) in split_unquoted(element, ';').enumerate() {
        // The weight is recognised wherever it stands among the parameters, as RFC 9110, section 12.5.1, asks for. White space
        // around `=` is not valid, but ignoring the weight because of it would reverse the meaning of `q =0`.
        if index > 0
            && let Some((name, weight)) = part.split_once('=')
            && name.trim().eq_ignore_ascii_case("q")
        {
            quality = parse_quality(weight.trim())?;
            break;
        }
        end_of_value += part.len() + usize::from(index > 0);
    }
    let value = element.get(..end_of_value)?.trim();
    (!value.is_empty()).then_some(Weighted { value, quality })
}

/// Parses `qvalue`: 0 to 1 with at most three decimals.
fn parse_quality(text: &str) -> Option<u16> {
    let (integer, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = decimals.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = padded.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (integer, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(MAX_QUALITY),
        _ => None,
    }
}

/// Splits at separators outside of quoted strings. Inside of one, a backslash escapes the character after it.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut in_quotes, mut is_escaped) = (false, false);
    text.split(move |character| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if in_quotes => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            _ => {}
        }
        character == separator && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(line: &str) -> Vec<(String, u16)> {
        let line = HeaderValue::from_str(line).expect("a header value");

        let elements = parse([&line]);

        elements.into_iter().map(|element| (element.value.to_owned(), element.quality)).collect()
    }

    fn is_ignored(line: &str) -> bool {
        parsed(line).is_empty()
    }

    #[test]
    fn value_and_weight_are_separated() {
        for (line, value, quality) in [
            ("gzip", "gzip", 1000),
            (" gzip ; q=0.5 ", "gzip", 500),
            ("gzip;Q=0.001", "gzip", 1),
            ("text/html;level=1;q=0.25", "text/html;level=1", 250),
            ("text/html;q=0.25;level=1", "text/html", 250),
            ("text/html;x=\"a;q=0,b\";q=1", "text/html;x=\"a;q=0,b\"", 1000),
            ("text/html;x=\"\\\",\";q=0.1", "text/html;x=\"\\\",\"", 100),
            ("a/b;q=0.1;q=0.2", "a/b", 100),
            ("q=0.5", "q=0.5", 1000),
            ("a/b;", "a/b;", 1000),
        ] {
            assert_eq!(parsed(line), [(value.to_owned(), quality)], "{line}");
        }
    }

    #[test]
    fn weights_follow_the_grammar() {
        for (weight, quality) in [("0", 0), ("0.", 0), ("0.000", 0), ("0.7", 700), ("1", 1000), ("1.", 1000), ("1.000", 1000)] {
            assert_eq!(parsed(&format!("a;q={weight}")), [("a".to_owned(), quality)], "{weight}");
        }
        for weight in ["", ".", ".5", "1.001", "2", "00.5", "01", "+1", "-0", "0.0001", "0.5.5", "1e0", "\"1\"", "high"] {
            assert!(parsed(&format!("a;q={weight}")).iter().all(|(value, _)| value != "a"), "{weight}");
        }
    }

    #[test]
    fn empty_elements_and_unreadable_lines_are_ignored() {
        assert!(["", ",", " , ,", ";q=1", "a;q=nonsense"].into_iter().all(is_ignored));
        let lines =
            [HeaderValue::from_static("a,,b"), HeaderValue::from_bytes(b"c\xe5").unwrap(), HeaderValue::from_static("d")];

        let values: Vec<_> = parse(&lines).into_iter().map(|element| element.value).collect();

        assert_eq!(values, ["a", "b", "d"]);
    }

    proptest! {
        #[test]
        fn every_valid_weight_is_read(quality in 0..=MAX_QUALITY, decimals in 0_usize..=3) {
            let scale = 10_u16.pow(3 - u32::try_from(decimals).unwrap());
            let quality = quality / scale * scale;
            let text = format!("{:.decimals$}", f64::from(quality) / 1000.0);

            prop_assert_eq!(parsed(&format!("a;q={text}")), [("a".to_owned(), quality)]);
        }

        #[test]
        fn any_line_gives_trimmed_values_and_valid_weights(line in "[ -~]{0,80}") {
            for (value, quality) in parsed(&line) {
                prop_assert!(quality <= MAX_QUALITY);
                prop_assert!(!value.is_empty() && value == value.trim());
            }
        }

        #[test]
        fn lines_and_commas_separate_alike(elements in prop::collection::vec("[a-z*/]{1,8}(;q=0\\.[0-9]{1,4})?", 0..8)) {
            let lines: Vec<HeaderValue> = elements.iter().map(|element| HeaderValue::from_str(element).unwrap()).collect();
            let joined = HeaderValue::from_str(&elements.join(", ")).unwrap();

            prop_assert_eq!(parse(&lines), parse([&joined]));
        }

        #[test]
        fn quoted_text_never_separates(text in "[ -~]{0,20}") {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");

            let value = format!("a/b;x=\"{quoted}\"");

            prop_assert_eq!(parsed(&format!("{value};q=0.5, c/d")), [(value, 500), ("c/d".to_owned(), 1000)]);
        }
    }
}

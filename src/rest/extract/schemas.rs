//! Schemas of parameters: the OpenAPI document permits what the extractors accept, as far as a pattern can say it.

use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, Type};

/// A date or a time with a UTC offset. One pattern and no union of two formats, which generators make a type of.
const DATETIME: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
                        ([Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?$";
/// A status in a list of them.
const STATUS: &str = r"^\s*[^\s,]([^,]*[^\s,])?\s*$";
/// Unpadded base64url.
const CURSOR: &str = "^[A-Za-z0-9_-]+$";
/// A text with more than white space.
const NOT_BLANK: &str = r"\S";
/// Entity tags in a list, of visible ASCII; empty elements are ignored.
const IF_MATCH: &str = r#"^(\*|[\t ,]*(W/)?"[!#-~]*"([\t ]*,[\t ,]*(W/)?"[!#-~]*")*([\t ]*,[\t ,]*)?)$"#;
/// A key, with quotes or without.
const IDEMPOTENCY_KEY: &str = r#"^([A-Za-z0-9._~-]{16,128}|"[A-Za-z0-9._~-]{16,128}")$"#;

pub(super) fn datetime() -> Object {
    text().pattern(Some(DATETIME)).build()
}

pub(super) fn statuses() -> Array {
    ArrayBuilder::new().items(text().pattern(Some(STATUS))).build()
}

/// The longest cursor has 70 bytes: the longest numbers and the checksum.
pub(super) fn cursor() -> Object {
    text().pattern(Some(CURSOR)).min_length(Some(18)).max_length(Some(94)).build()
}

pub(super) fn not_blank() -> Object {
    text().pattern(Some(NOT_BLANK)).build()
}

pub(super) fn if_match() -> Object {
    text().pattern(Some(IF_MATCH)).build()
}

pub(super) fn idempotency_key() -> Object {
    text().pattern(Some(IDEMPOTENCY_KEY)).build()
}

pub(super) fn expand() -> Object {
    text().enum_values(Some(["detail"])).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;
    use crate::idempotency::IdempotencyKey;
    use crate::model::Zone;
    use crate::rest::etag::parse_if_match;
    use crate::rest::extract::datetime::parse_datetime;
    use http::HeaderValue;

    /// Texts that match a pattern; the generator knows no anchors.
    fn matching(pattern: &str) -> impl Strategy<Value = String> {
        string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
    }

    proptest! {
        #[test]
        fn documented_times_are_accepted(text in matching(DATETIME)) {
            // A pattern does not know how many days a month has, and the first and the last year have no place for every offset.
            let exists = text.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok());
            prop_assume!(exists.is_some_and(|date| (2..9999).contains(&date.year())));
            prop_assert!(parse_datetime(&text, &Zone::stockholm()).is_some(), "{}", text);
        }

        #[test]
        fn documented_keys_are_accepted(text in matching(IDEMPOTENCY_KEY)) {
            prop_assert!(IdempotencyKey::parse(&text).is_ok());
        }

        #[test]
        fn documented_entity_tags_are_accepted(text in matching(IF_MATCH)) {
            let value = HeaderValue::from_str(&text).unwrap();
            prop_assert!(parse_if_match(&[&value]).is_some(), "{}", text);
        }
    }
}

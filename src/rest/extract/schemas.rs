//! Schemas of parameters that have no type of their own. Properties compare the patterns with the extractors, in both directions.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::{Extensions, ExtensionsBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::model::{OrderStatus, StrEnum};

/// A date or a time with a UTC offset. One pattern and no union of two formats, which generators make a type of.
pub(super) struct DateTime;

/// A status in a filter: not blank, and without the comma that separates several. Other values than the known ones are permitted.
pub(super) struct StatusFilter;

/// A type of order in a filter: not blank. Other values than the known one are permitted.
pub(super) struct TypeFilter;

/// What a list can be completed with.
pub(super) struct Expand;

impl PartialSchema for DateTime {
    fn schema() -> RefOr<Schema> {
        let date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
        let time = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?";
        let offset = "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
        let pattern = format!("^{date}([Tt]{time}{offset})?$");
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
    }
}

impl PartialSchema for StatusFilter {
    fn schema() -> RefOr<Schema> {
        let known = OrderStatus::ALL.iter().map(|status| status.as_str());
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^\s*[^\s,]([^,]*[^\s,])?\s*$"));
        schema.extensions(Some(known_values(known))).into()
    }
}

impl PartialSchema for TypeFilter {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"\S"));
        schema.extensions(Some(known_values(["order"]))).into()
    }
}

impl PartialSchema for Expand {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["detail"])).into()
    }
}

impl ToSchema for DateTime {}

impl ToSchema for StatusFilter {}

impl ToSchema for TypeFilter {}

impl ToSchema for Expand {}

/// An open enum, whose known values Swagger UI offers as choices.
fn known_values<'v>(values: impl IntoIterator<Item = &'v str>) -> Extensions {
    ExtensionsBuilder::new().add("x-extensible-enum", values.into_iter().collect::<Value>()).build()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use proptest::string::string_regex;
    use serde_json::json;
    use utoipa::IntoParams;

    use super::*;
    use crate::idempotency::IdempotencyKey;
    use crate::model::Zone;
    use crate::rest::dto::MessageInput;
    use crate::rest::etag::parse_if_match;
    use crate::rest::extract::datetime::parse_datetime;
    use crate::rest::extract::query::parse_text;
    use crate::rest::extract::{IdempotencyKeyHeader, IfMatchHeader, JsonObject, OrderListQuery};

    fn parameter<P: IntoParams>(name: &str) -> Value {
        let parameters = serde_json::to_value(P::into_params(|| None)).unwrap();
        let parameter = parameters.as_array().unwrap().iter().find(|parameter| parameter["name"] == name).unwrap();
        parameter["schema"].clone()
    }

    fn is_documented(schema: &Value, text: &str) -> bool {
        jsonschema::is_valid(schema, &json!(text))
    }

    /// Texts that match the pattern, half of them with one change; the generator knows no anchors.
    fn texts(schema: &Value, characters: &'static str) -> impl Strategy<Value = String> + use<> {
        let pattern = schema["pattern"].as_str().unwrap();
        let matching = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
        let characters: Vec<char> = characters.chars().collect();
        (matching, any::<Index>(), any::<bool>(), proptest::option::of(select(characters))).prop_map(
            |(text, position, removes, added)| {
                let mut changed: Vec<char> = text.chars().collect();
                let position = position.index(changed.len() + 1);
                if removes && position < changed.len() {
                    changed.remove(position);
                }
                changed.splice(position..position, added);
                changed.into_iter().collect()
            },
        )
    }

    proptest! {
        #[test]
        fn times_are_accepted_as_documented(text in texts(&parameter::<OrderListQuery>("since"), "0129-:.TtZz+ é")) {
            // A pattern does not know how many days a month has, and the first and the last year have no place for every offset.
            let date = text.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok());
            let is_accepted = parse_datetime(&text, &Zone::stockholm()).is_some();
            let is_documented = is_documented(&parameter::<OrderListQuery>("since"), &text);
            if date.is_none_or(|date| !(2..9999).contains(&date.year())) {
                prop_assert!(is_documented || !is_accepted, "{}", text);
            } else if !text.contains(":60") && !text.contains(' ') {
                // Also accepted: a leap second, and a space for the `+` of an offset.
                prop_assert_eq!(is_accepted, is_documented, "{}", text);
            }
        }

        #[test]
        fn statuses_are_accepted_as_documented(text in texts(&parameter::<OrderListQuery>("status")["items"], "a, \t")) {
            // White space either for Rust or in patterns, not for both.
            let text = text.replace(['\u{85}', '\u{feff}'], "");
            let is_documented = is_documented(&parameter::<OrderListQuery>("status")["items"], &text);
            prop_assert_eq!(parse_text(text.trim()).is_ok() && !text.contains(','), is_documented, "{:?}", text);
        }

        #[test]
        fn keys_are_accepted_as_documented(
            text in texts(&parameter::<IdempotencyKeyHeader>("Idempotency-Key"), "a.~\"+,é")
        ) {
            let is_documented = is_documented(&parameter::<IdempotencyKeyHeader>("Idempotency-Key"), &text);
            prop_assert_eq!(IdempotencyKey::parse(&text).is_ok(), is_documented, "{}", text);
        }

        #[test]
        fn entity_tags_are_accepted_as_documented(text in texts(&parameter::<IfMatchHeader>("If-Match"), "*aW/\", \t")) {
            // White space around a header is no part of it.
            let text = text.trim_end_matches([' ', '\t']);
            let is_accepted = parse_if_match(&[&HeaderValue::from_str(text).unwrap()]).is_some();
            let text = text.trim_start_matches([' ', '\t']);
            prop_assert_eq!(is_accepted, is_documented(&parameter::<IfMatchHeader>("If-Match"), text), "{:?}", text);
        }

        #[test]
        fn message_texts_are_accepted_as_documented(
            text in "[a \u{a0}]{0,3}[a-c \\x00-\\x1f\\x7f-\\x9f\u{a0}\u{2028}\u{3000}\u{fffd}-\u{ffff}]{0,2}"
        ) {
            let schema = serde_json::to_value(MessageInput::schema()).unwrap();
            let body = json!({"type": "log", "text": text}).to_string();
            let is_accepted = JsonObject::parse(body.as_bytes()).and_then(MessageInput::parse).is_ok();
            prop_assert_eq!(is_accepted, is_documented(&schema["properties"]["text"], &text), "{:?}", text);
        }
    }
}

//! Schemas of parameters that have no type of their own. Properties compare the patterns of all parameters with the extractors.

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
    use proptest::string::string_regex;
    use utoipa::IntoParams;

    use crate::idempotency::IdempotencyKey;
    use crate::model::Zone;
    use crate::rest::etag::parse_if_match;
    use crate::rest::extract::datetime::parse_datetime;
    use crate::rest::extract::{IdempotencyKeyHeader, IfMatchHeader, OrderListQuery};

    /// Texts that match the pattern of a parameter; the generator knows no anchors.
    fn documented<P: IntoParams>(name: &str) -> impl Strategy<Value = String> {
        let parameters = serde_json::to_value(P::into_params(|| None)).unwrap();
        let parameter = parameters.as_array().unwrap().iter().find(|parameter| parameter["name"] == name).unwrap();
        let pattern = parameter["schema"]["pattern"].as_str().unwrap();
        string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
    }

    proptest! {
        #[test]
        fn documented_times_are_accepted(text in documented::<OrderListQuery>("since")) {
            // A pattern does not know how many days a month has, and the first and the last year have no place for every offset.
            let exists = text.get(..10).and_then(|date| date.parse::<jiff::civil::Date>().ok());
            prop_assume!(exists.is_some_and(|date| (2..9999).contains(&date.year())));
            prop_assert!(parse_datetime(&text, &Zone::stockholm()).is_some(), "{}", text);
        }

        #[test]
        fn documented_keys_are_accepted(text in documented::<IdempotencyKeyHeader>("Idempotency-Key")) {
            prop_assert!(IdempotencyKey::parse(&text).is_ok());
        }

        #[test]
        fn documented_entity_tags_are_accepted(text in documented::<IfMatchHeader>("If-Match")) {
            let value = HeaderValue::from_str(&text).unwrap();
            prop_assert!(parse_if_match(&[&value]).is_some(), "{}", text);
        }
    }
}

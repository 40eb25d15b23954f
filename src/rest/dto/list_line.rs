//! The lines of an NDJSON list.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Customer, Order, UnreadableItem};

/// A line of an NDJSON list for an item that could not be decoded.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct UnreadableLine {
    /// The item and the reason.
    pub(in crate::rest) unreadable: UnreadableItem,
}

/// The last line of an NDJSON list. A list without it is truncated.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Complete<'a> {
    /// Always `true`.
    #[serde(rename = "complete")]
    flag: bool,
    /// Number of items, without those that could not be decoded.
    count: u64,
    /// Cursor of the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<&'a str>,
}

impl<'a> Complete<'a> {
    pub(in crate::rest) const fn new(count: u64, next_cursor: Option<&'a str>) -> Self {
        Self { flag: true, count, next_cursor }
    }
}

/// The schema of a line of `GET /orders`.
pub(in crate::rest) struct OrderLine;

/// The schema of a line of `GET /customers`.
pub(in crate::rest) struct CustomerLine;

impl PartialSchema for OrderLine {
    fn schema() -> RefOr<Schema> {
        line(&Order::schema(), "A line of `GET /orders` as NDJSON: an `OrderSummary`, or `unreadable`, or the end of the list.")
    }
}

impl PartialSchema for CustomerLine {
    fn schema() -> RefOr<Schema> {
        line(
            &Customer::schema(),
            "A line of `GET /customers` as NDJSON: a `Customer`, or `unreadable`, or the end of the list.",
        )
    }
}

impl ToSchema for OrderLine {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Order::schemas(schemas);
    }
}

impl ToSchema for CustomerLine {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Customer::schemas(schemas);
    }
}

/// One object with the members of every kind of line: generators make a plain type of it, and not of a union. The members of
/// the item are described in its own schema.
fn line(item: &RefOr<Schema>, description: &str) -> RefOr<Schema> {
    let mut line = Object::new();
    line.description = Some(description.to_owned());
    line.properties = properties(item);
    line.properties.values_mut().for_each(remove_description);
    line.properties.extend(properties(&UnreadableLine::schema()));
    line.properties.extend(properties(&Complete::schema()));
    RefOr::T(Schema::Object(line))
}

fn properties(schema: &RefOr<Schema>) -> BTreeMap<String, RefOr<Schema>> {
    match schema {
        RefOr::T(Schema::Object(object)) => object.properties.clone(),
        _ => BTreeMap::new(),
    }
}

fn remove_description(member: &mut RefOr<Schema>) {
    match member {
        RefOr::Ref(reference) => reference.description.clear(),
        RefOr::T(Schema::Object(object)) => object.description = None,
        RefOr::T(Schema::Array(array)) => array.description = None,
        RefOr::T(_) => {}
    }
}

//! Schemas of enums: open in responses, closed in request bodies.

use serde_json::Value;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::model::{MessageType, OrderStatus, StrEnum};

pub(super) fn status_as_read() -> Object {
    open::<OrderStatus>("Order status. An open enum: handle values that are not listed as unknown.")
}

pub(super) fn status_to_write() -> Object {
    closed::<OrderStatus>("The new status of the order.")
}

pub(super) fn message_type_as_read() -> Object {
    open::<MessageType>(
        "Type of the log entry. Some entries have none. An open enum: handle values that are not listed as unknown.",
    )
}

pub(super) fn message_type_to_write() -> Object {
    closed::<MessageType>(
        "Type of the message: `error` for failures, `alert` for important information about the order, `system` for \
         activation and other automation, `log` for everything else.",
    )
}

fn open<T: StrEnum>(description: &str) -> Object {
    let known = values::<T>().collect::<Value>();
    let extensions = ExtensionsBuilder::new().add("x-extensible-enum", known).build();
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    schema.examples(values::<T>()).extensions(Some(extensions)).build()
}

fn closed<T: StrEnum>(description: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(values::<T>())).build()
}

fn values<T: StrEnum>() -> impl Iterator<Item = &'static str> {
    T::ALL.iter().map(|value| value.as_str())
}

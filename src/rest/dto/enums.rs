//! Schemas of enums: open in responses, closed in request bodies. Each is a component, so that generated clients have one type.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::model::{self, StrEnum};

/// Declares the schema of an enum under a name in the document.
macro_rules! enum_schema {
    ($($(#[$doc:meta])* $type:ident as $name:literal: $schema:expr;)+) => {$(
        $(#[$doc])*
        pub(super) struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                RefOr::T($schema.into())
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )+};
}

enum_schema! {
    /// A status that a client writes.
    OrderStatus as "OrderStatus": closed::<model::OrderStatus>("Status of an order, as a client sets it.");
    /// A status that the upstream returned.
    OpenOrderStatus as "OpenOrderStatus":
        open::<model::OrderStatus>("Status of an order. An open enum: handle values that are not listed as unknown.");
    /// A message type that a client writes.
    MessageType as "MessageType": closed::<model::MessageType>(
        "Type of a message: `error` for failures, `alert` for important information about the order, `system` for activation \
         and other automation, `log` for everything else.",
    );
    /// A message type that the upstream returned.
    OpenMessageType as "OpenMessageType": open::<model::MessageType>(
        "Type of a log entry. An open enum: handle values that are not listed as unknown.",
    );
}

fn open<T: StrEnum>(description: &str) -> Object {
    let known = values::<T>().collect::<Value>();
    let extensions = ExtensionsBuilder::new().add("x-extensible-enum", known).build();
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    schema.examples(values::<T>().take(1)).extensions(Some(extensions)).build()
}

fn closed<T: StrEnum>(description: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(values::<T>())).build()
}

fn values<T: StrEnum>() -> impl Iterator<Item = &'static str> {
    T::ALL.iter().map(|value| value.as_str())
}

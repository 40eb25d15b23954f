//! Schemas of words: open where they are read, closed where they are written.

use serde_json::Value;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::model::{MessageType, OrderStatus, StrEnum};

pub(super) fn status_as_read() -> Object {
    open::<OrderStatus>(
        "How far the order has come. A word that is not listed may come one day; treat it as one you do not know.",
    )
}

pub(super) fn status_to_write() -> Object {
    closed::<OrderStatus>("The status that the order shall have.")
}

pub(super) fn message_type_as_read() -> Object {
    open::<MessageType>("What the row is about. Absent in some rows. A word that is not listed may come one day.")
}

pub(super) fn message_type_to_write() -> Object {
    closed::<MessageType>(
        "What the message is about: `error` something failed, `alert` important about this order, `system` from activation and the like, `log` general.",
    )
}

fn open<W: StrEnum>(description: &str) -> Object {
    let known = words::<W>().collect::<Value>();
    let extensions = ExtensionsBuilder::new().add("x-extensible-enum", known).build();
    let word = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    word.examples(words::<W>()).extensions(Some(extensions)).build()
}

fn closed<W: StrEnum>(description: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(words::<W>())).build()
}

fn words<W: StrEnum>() -> impl Iterator<Item = &'static str> {
    W::ALL.iter().map(|word| word.as_str())
}

//! `<log>`: one entry of an order's log.

use crate::legacy::field_reader::{DecodeError, FieldReader, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Extensible, Message, Pii};

use super::with_seconds;

/// Decodes one `<log>`. Statuses and messages are verified by their entries, so decisions rest on all fields.
pub(super) fn decode(element: Element<'_>, fields: FieldReader<'_>) -> Result<Message, DecodeError> {
    let mut entry = Message::default();
    for field in element.children() {
        match field.name() {
            "date" => fields.only(&mut entry.at, field, fields.time(field))?,
            "type" => fields.only(&mut entry.kind, field, fields.enum_value(field))?,
            "message" => fields.only(&mut entry.text, field, text(field))?,
            _ => fields.unknown(field),
        }
    }
    Ok(entry)
}

pub(super) fn encode(entry: &Message, xml: &mut Writer) {
    xml.element("log", |xml| {
        xml.optional("date", entry.at.map(|at| with_seconds(at.wall())).as_deref());
        xml.optional("message", entry.text.as_ref().map(Pii::expose));
        xml.optional("type", entry.kind.as_ref().map(Extensible::as_str));
    });
}

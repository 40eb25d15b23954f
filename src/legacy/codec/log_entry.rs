//! `<log>`: one entry of an order's log.

use crate::legacy::field_reader::{FieldReader, set_once, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Extensible, Message, Pii};

use super::with_seconds;

pub(super) fn decode(element: Element<'_>, fields: FieldReader<'_>) -> Message {
    let mut entry = Message::default();
    for field in element.children() {
        match field.name() {
            "date" => set_once(&mut entry.at, fields.time(field)),
            "type" => set_once(&mut entry.kind, fields.enum_value(field)),
            "message" => set_once(&mut entry.text, text(field)),
            _ => fields.unknown(field),
        }
    }
    entry
}

pub(super) fn encode(entry: &Message, xml: &mut Writer) {
    xml.element("log", |xml| {
        xml.optional("date", entry.at.map(|at| with_seconds(at.wall())).as_deref());
        xml.optional("message", entry.text.as_ref().map(Pii::expose));
        xml.optional("type", entry.kind.as_ref().map(Extensible::as_str));
    });
}

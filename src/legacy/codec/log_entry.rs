//! `<log>`: one row of an order's log.

use crate::legacy::field_reader::{FieldReader, set_once, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Extensible, Message, Pii};

use super::with_seconds;

pub(super) fn decode(element: Element<'_>, reading: FieldReader<'_>) -> Message {
    let mut row = Message::default();
    for field in element.children() {
        match field.name() {
            "date" => set_once(&mut row.at, reading.time(field)),
            "type" => set_once(&mut row.kind, reading.enum_value(field)),
            "message" => set_once(&mut row.text, text(field)),
            _ => reading.unknown(field),
        }
    }
    row
}

pub(super) fn encode(row: &Message, xml: &mut Writer) {
    xml.element("log", |xml| {
        xml.optional("date", row.at.map(|at| with_seconds(at.wall())).as_deref());
        xml.optional("message", row.text.as_ref().map(Pii::expose));
        xml.optional("type", row.kind.as_ref().map(Extensible::as_str));
    });
}

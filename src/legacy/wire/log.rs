//! `<log>`: one row of an order's log.

use crate::legacy::reading::{Reading, first, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Message, Open, Personal};

use super::with_seconds;

pub(super) fn decode(element: Element<'_>, reading: Reading<'_>) -> Message {
    let mut row = Message::default();
    for field in element.children() {
        match field.name() {
            "date" => first(&mut row.at, reading.time(field)),
            "type" => first(&mut row.kind, reading.word(field)),
            "message" => first(&mut row.text, text(field)),
            _ => reading.unknown(field),
        }
    }
    row
}

pub(super) fn encode(row: &Message, xml: &mut Writer) {
    xml.element("log", |xml| {
        xml.optional("date", row.at.map(|at| with_seconds(at.wall())).as_deref());
        xml.optional("message", row.text.as_ref().map(Personal::expose));
        xml.optional("type", row.kind.as_ref().map(Open::as_str));
    });
}

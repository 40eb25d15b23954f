//! `add_message`: adds an entry to an order's log. Its answer has no data, only the outcome.

use super::orders::read_order_id;
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::xml::Writer;
use crate::model::{MessageType, NewMessage, OrderId, StrEnum};

pub(in crate::legacy) fn request(id: OrderId, message: &NewMessage) -> QueryParams {
    let params = QueryParams::default().with("id", id.to_string());
    params.with("type", message.kind.as_str()).with("message", message.text.expose())
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<(OrderId, NewMessage), InvalidParams> {
    let kind = MessageType::parse(params.get("type")?).ok_or(InvalidParams("type is not valid"))?;
    let text = params.get("message")?;
    if text.trim().is_empty() {
        return Err(InvalidParams("message is empty"));
    }
    // In an answer they are lost, so that a log could never show that the message was added.
    if text.chars().any(is_lost_in_xml) {
        return Err(InvalidParams("message has control characters"));
    }
    Ok((read_order_id(params)?, NewMessage { kind, text: text.into() }))
}

fn is_lost_in_xml(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t') || matches!(character, '\u{fffe}' | '\u{ffff}')
}

pub(in crate::legacy) fn encode(id: OrderId, xml: &mut Writer) {
    xml.text("message", &format!("Message added to order {id}"));
}

//! `add_message`: adds a row to an order's log. Its answer says nothing besides the outcome.

use super::orders::read_order_id;
use crate::legacy::query::{BadRequest, QueryParams};
use crate::legacy::xml::Writer;
use crate::model::{MessageType, NewMessage, OrderId, StrEnum};

pub(in crate::legacy) fn request(id: OrderId, message: &NewMessage) -> QueryParams {
    let order = QueryParams::default().with("id", id.to_string());
    order.with("type", message.kind.as_str()).with("message", message.text.expose())
}

pub(in crate::legacy) fn read_request(request: &QueryParams) -> Result<(OrderId, NewMessage), BadRequest> {
    let kind = MessageType::parse(request.get("type")?).ok_or(BadRequest("type is not valid"))?;
    let text = request.get("message")?;
    if text.trim().is_empty() {
        return Err(BadRequest("message is empty"));
    }
    Ok((read_order_id(request)?, NewMessage { kind, text: text.into() }))
}

pub(in crate::legacy) fn encode(id: OrderId, xml: &mut Writer) {
    xml.text("message", &format!("Message added to order {id}"));
}

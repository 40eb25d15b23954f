//! `set_status`: gives an order a status. Its answer says nothing besides the outcome.

use super::orders::read_order_id;
use crate::legacy::query::{BadRequest, QueryParams};
use crate::legacy::xml::Writer;
use crate::model::{OrderId, OrderStatus, StrEnum};

pub(in crate::legacy) fn request(id: OrderId, status: OrderStatus) -> QueryParams {
    QueryParams::default().with("id", id.to_string()).with("status", status.as_str())
}

pub(in crate::legacy) fn read_request(request: &QueryParams) -> Result<(OrderId, OrderStatus), BadRequest> {
    let status = OrderStatus::parse(request.get("status")?).ok_or(BadRequest("status is not valid"))?;
    Ok((read_order_id(request)?, status))
}

pub(in crate::legacy) fn encode(id: OrderId, status: OrderStatus, xml: &mut Writer) {
    xml.text("message", &format!("Status changed to {} for order {id}", status.as_str()));
}

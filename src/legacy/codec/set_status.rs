//! `set_status`: sets the status of an order. Its answer has no data, only the outcome.

use super::orders::read_order_id;
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::xml::Writer;
use crate::model::{OrderId, OrderStatus, StrEnum};

pub(in crate::legacy) fn request(id: OrderId, status: OrderStatus) -> QueryParams {
    QueryParams::default().with("id", id.to_string()).with("status", status.as_str())
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<(OrderId, OrderStatus), InvalidParams> {
    let status = OrderStatus::parse(params.get("status")?).ok_or(InvalidParams("status is not valid"))?;
    Ok((read_order_id(params)?, status))
}

pub(in crate::legacy) fn encode(id: OrderId, status: OrderStatus, xml: &mut Writer) {
    xml.text("message", &format!("Status changed to {} for order {id}", status.as_str()));
}

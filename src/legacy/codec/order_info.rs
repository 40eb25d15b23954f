//! `order_info`: one order with its log and details. The answer does not repeat the order's id.

use super::customer_fields::{CustomerFields, encode_address, encode_contact, encode_identity};
use super::orders::{decode_delivery, encode_delivery};
use super::{log_entry, with_minutes};
use crate::legacy::field_reader::{DecodeError, FieldReader, set_once, text};
use crate::legacy::query::{BadRequest, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Detail, Extensible, Order, OrderId, OrderedBy, Pii};

pub(in crate::legacy) fn request(id: OrderId) -> QueryParams {
    QueryParams::default().with("id", id.to_string())
}

pub(in crate::legacy) fn read_request(request: &QueryParams) -> Result<OrderId, BadRequest> {
    super::orders::read_order_id(request)
}

/// Reads the parts of an answer; `None` when there is no order in them.
pub(in crate::legacy) fn decode<'t>(
    id: OrderId,
    parts: impl Iterator<Item = Element<'t>>,
    reading: FieldReader<'_>,
) -> Result<Option<Order>, DecodeError> {
    let mut order = Order::new(id);
    let mut person = CustomerFields::default();
    let (mut messages, mut details) = (None::<Vec<_>>, Vec::new());
    let mut exists = false;
    for part in parts {
        match part.name() {
            "orderinfo" => {
                exists |= decode_order(&mut order, part, reading);
            }
            "customer" => person.read(part, reading)?,
            "logs" => {
                let rows = messages.get_or_insert_default();
                decode_rows(part, "log", reading, |row| rows.push(log_entry::decode(row, reading)));
            }
            _ => decode_rows(part, "data", reading, |row| details.push(decode_detail(row, reading))),
        }
    }
    order.customer = person.into_customer()?.map(|customer| OrderedBy::Customer(Box::new(customer)));
    // A log that belongs to nothing may tell why.
    if !exists && messages.as_ref().is_some_and(|rows| !rows.is_empty()) {
        return Err(DecodeError("it has a log and no order"));
    }
    // An empty log has its element. Without it, nobody knows what stands there.
    if exists && messages.is_none() {
        reading.missing("logs");
    }
    order.messages = messages;
    order.details = Some(details);
    Ok(exists.then_some(order))
}

/// Writes the parts of an answer.
pub(in crate::legacy) fn encode(order: &Order, xml: &mut Writer) {
    xml.element("orderinfo", |xml| encode_order(order, xml));
    if let Some(OrderedBy::Customer(customer)) = &order.customer {
        xml.element("customer", |xml| {
            encode_identity(customer, xml);
            encode_address(customer, xml);
            encode_contact(customer, xml);
        });
    }
    if let Some(rows) = &order.messages {
        xml.element("logs", |xml| rows.iter().for_each(|row| log_entry::encode(row, xml)));
    }
    xml.element("serviceinfo", |xml| order.details.iter().flatten().for_each(|detail| encode_detail(detail, xml)));
}

/// Returns whether any of the fields that are known had a value.
fn decode_order(order: &mut Order, element: Element<'_>, reading: FieldReader<'_>) -> bool {
    let mut is_known = false;
    for field in element.children() {
        match field.name() {
            "date" => set_once(&mut order.ordered_at, reading.time(field)),
            "type" => set_once(&mut order.kind, text(field)),
            "status" => set_once(&mut order.status, reading.enum_value(field)),
            "delivery" => set_once(&mut order.delivery, decode_delivery(field, reading)),
            "provider" => set_once(&mut order.provider.name, text(field)),
            "service_id" => set_once(&mut order.service.id, text(field)),
            "service" => set_once(&mut order.service.name, text(field)),
            "category" => set_once(&mut order.service.category, text(field)),
            "service_uid" => set_once(&mut order.service.uid, text(field)),
            "citynet" => set_once(&mut order.network_name, text(field)),
            _ => {
                reading.unknown(field);
                continue;
            }
        }
        is_known |= field.has_value();
    }
    if order.status.is_none() {
        reading.missing("orderinfo.status");
    }
    is_known
}

fn encode_order(order: &Order, xml: &mut Writer) {
    xml.optional("date", order.ordered_at.map(|at| with_minutes(at.wall())).as_deref());
    xml.optional("type", order.kind.as_deref());
    xml.optional("status", order.status.as_ref().map(Extensible::as_str));
    xml.optional("delivery", order.delivery.map(|delivery| encode_delivery(delivery, with_minutes)).as_deref());
    xml.optional("provider", order.provider.name.as_deref());
    xml.optional("service_id", order.service.id.as_deref());
    xml.optional("service", order.service.name.as_deref());
    xml.optional("category", order.service.category.as_deref());
    xml.optional("service_uid", order.service.uid.as_deref());
    xml.optional("citynet", order.network_name.as_deref());
}

fn decode_rows<'t>(element: Element<'t>, name: &str, reading: FieldReader<'_>, mut read: impl FnMut(Element<'t>)) {
    for row in element.children() {
        if row.name() == name { read(row) } else { reading.unknown(row) }
    }
}

fn decode_detail(element: Element<'_>, reading: FieldReader<'_>) -> Detail {
    let mut detail = Detail::default();
    for field in element.children() {
        match field.name() {
            "name" => set_once(&mut detail.name, text(field)),
            "value" => set_once(&mut detail.value, text(field)),
            "monthly" => set_once(&mut detail.monthly_fee, text(field)),
            _ => reading.unknown(field),
        }
    }
    detail
}

fn encode_detail(detail: &Detail, xml: &mut Writer) {
    xml.element("data", |xml| {
        xml.optional("name", detail.name.as_ref().map(Pii::expose));
        xml.optional("value", detail.value.as_ref().map(Pii::expose));
        xml.optional("monthly", detail.monthly_fee.as_deref());
    });
}

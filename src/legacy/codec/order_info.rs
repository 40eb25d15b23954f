//! `order_info`: reads one order with its log and details. The answer does not repeat the order's id.

use super::customer_fields::{CustomerFields, encode_address, encode_contact, encode_identity};
use super::orders::{decode_delivery, encode_delivery};
use super::{log_entry, with_minutes};
use crate::legacy::field_reader::{DecodeError, FieldReader, set_once, text};
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Detail, Extensible, Order, OrderId, OrderedBy, Pii};

pub(in crate::legacy) fn request(id: OrderId) -> QueryParams {
    QueryParams::default().with("id", id.to_string())
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<OrderId, InvalidParams> {
    super::orders::read_order_id(params)
}

/// Decodes the elements of an answer. `None` if there is no order in them.
pub(in crate::legacy) fn decode<'t>(
    id: OrderId,
    elements: impl Iterator<Item = Element<'t>>,
    fields: FieldReader<'_>,
) -> Result<Option<Order>, DecodeError> {
    let mut order = Order::new(id);
    let mut customer = CustomerFields::default();
    let (mut messages, mut details) = (None::<Vec<_>>, Vec::new());
    let mut exists = false;
    for element in elements {
        match element.name() {
            "orderinfo" => exists |= decode_order(&mut order, element, fields),
            "customer" => customer.read(element, fields)?,
            "logs" => {
                let entries = messages.get_or_insert_default();
                each_child(element, "log", fields, |child| entries.push(log_entry::decode(child, fields)));
            }
            _ => each_child(element, "data", fields, |child| details.push(decode_detail(child, fields))),
        }
    }
    order.customer = customer.into_customer()?.map(|customer| OrderedBy::Customer(Box::new(customer)));
    // A log without an order may explain a failure, so this answer does not prove that the order does not exist.
    if !exists && messages.as_ref().is_some_and(|entries| !entries.is_empty()) {
        return Err(DecodeError("it has a log and no order"));
    }
    // An empty log is an empty element. Without the element, the log is unknown and not empty.
    if exists && messages.is_none() {
        fields.missing("logs");
    }
    order.messages = messages;
    order.details = Some(details);
    Ok(exists.then_some(order))
}

/// Writes the elements of an answer.
pub(in crate::legacy) fn encode(order: &Order, xml: &mut Writer) {
    xml.element("orderinfo", |xml| encode_order(order, xml));
    if let Some(OrderedBy::Customer(customer)) = &order.customer {
        xml.element("customer", |xml| {
            encode_identity(customer, xml);
            encode_address(customer, xml);
            encode_contact(customer, xml);
        });
    }
    if let Some(entries) = &order.messages {
        xml.element("logs", |xml| entries.iter().for_each(|entry| log_entry::encode(entry, xml)));
    }
    xml.element("serviceinfo", |xml| order.details.iter().flatten().for_each(|detail| encode_detail(detail, xml)));
}

/// Reads the fields of `<orderinfo>`. Returns whether any known field had a value: the answer for an unknown id may be an empty
/// template.
fn decode_order(order: &mut Order, element: Element<'_>, fields: FieldReader<'_>) -> bool {
    let mut has_value = false;
    for field in element.children() {
        match field.name() {
            "date" => set_once(&mut order.ordered_at, fields.time(field)),
            "type" => set_once(&mut order.kind, text(field)),
            "status" => set_once(&mut order.status, fields.enum_value(field)),
            "delivery" => set_once(&mut order.delivery, decode_delivery(field, fields)),
            "provider" => set_once(&mut order.provider.name, text(field)),
            "service_id" => set_once(&mut order.service.id, text(field)),
            "service" => set_once(&mut order.service.name, text(field)),
            "category" => set_once(&mut order.service.category, text(field)),
            "service_uid" => set_once(&mut order.service.uid, text(field)),
            "citynet" => set_once(&mut order.network_name, text(field)),
            _ => {
                fields.unknown(field);
                continue;
            }
        }
        has_value |= field.has_value();
    }
    if order.status.is_none() {
        fields.missing("orderinfo.status");
    }
    has_value
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

/// Decodes the children with this name and counts the others as drift.
fn each_child<'t>(element: Element<'t>, name: &str, fields: FieldReader<'_>, mut decode: impl FnMut(Element<'t>)) {
    for child in element.children() {
        if child.name() == name { decode(child) } else { fields.unknown(child) }
    }
}

fn decode_detail(element: Element<'_>, fields: FieldReader<'_>) -> Detail {
    let mut detail = Detail::default();
    for field in element.children() {
        match field.name() {
            "name" => set_once(&mut detail.name, text(field)),
            "value" => set_once(&mut detail.value, text(field)),
            "monthly" => set_once(&mut detail.monthly_fee, text(field)),
            _ => fields.unknown(field),
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

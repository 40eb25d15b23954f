//! `order_info`: reads one order with its log and details. The answer does not repeat the order's id.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::iter;

use super::customer_fields::{CustomerFields, encode_address, encode_contact, encode_identity};
use super::orders::{decode_delivery, encode_delivery};
use super::{log_entry, with_minutes};
use crate::legacy::field_reader::{CONTRADICTION, DecodeError, FieldReader, text};
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Detail, Extensible, Order, OrderId, OrderedBy, Person, Pii};

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
    let (mut order, mut customer) = (None, None);
    let (mut logs, mut details) = (None::<Parts<_>>, Parts::default());
    let mut exists = false;
    for element in elements {
        match element.name() {
            "orderinfo" => {
                let (read, has_value) = decode_order(id, element, fields)?;
                fields.only(&mut order, element, Some(read).filter(|read| *read != Order::new(id)))?;
                exists |= has_value;
            }
            "customer" => {
                let read = CustomerFields::read(element, fields, |field| Ok(fields.customer_of_order(field)))?;
                fields.only(&mut customer, element, read)?;
            }
            "logs" => {
                let part = decode_rows(element, "log", fields, log_entry::decode)?;
                logs.get_or_insert_default().add(part, element, fields);
            }
            _ => {
                let part = decode_rows(element, "data", fields, |row, fields| Ok(decode_detail(row, fields)))?;
                details.add(part, element, fields);
            }
        }
    }
    let mut order = order.unwrap_or_else(|| Order::new(id));
    if customer.as_ref().is_some_and(|customer| customer.id.is_none()) {
        fields.missing("customer.id");
    }
    order.customer = customer.map(|CustomerFields { id, person }| OrderedBy {
        id,
        person: Some(person).filter(|person| *person != Person::default()).map(Box::new),
    });
    let logs = logs.map(Parts::without_repetitions);
    // Writes are verified by the number of entries, which this leaves open. Details may be equal: of two services, for example.
    if logs.as_ref().is_some_and(Parts::have_common_row) {
        return Err(CONTRADICTION);
    }
    let messages = logs.map(Parts::join);
    // A log without an order may explain a failure, so this answer does not prove that the order does not exist.
    if !exists && messages.as_ref().is_some_and(|entries| !entries.is_empty()) {
        return Err(DecodeError("it has a log and no order"));
    }
    // An empty log is an empty element. Without the element, the log is unknown and not empty.
    if exists && messages.is_none() {
        fields.missing("logs");
    }
    order.messages = messages;
    order.details = Some(details.without_repetitions().join());
    Ok(exists.then_some(order))
}

/// Writes the elements of an answer.
pub(in crate::legacy) fn encode(order: &Order, xml: &mut Writer) {
    xml.element("orderinfo", |xml| encode_order(order, xml));
    if let Some(OrderedBy { id, person }) = &order.customer {
        xml.element("customer", |xml| {
            let unknown = Person::default();
            let person = person.as_deref().unwrap_or(&unknown);
            encode_identity(*id, person, xml);
            encode_address(person, xml);
            encode_contact(person, xml);
        });
    }
    if let Some(entries) = &order.messages {
        xml.element("logs", |xml| entries.iter().for_each(|entry| log_entry::encode(entry, xml)));
    }
    xml.element("serviceinfo", |xml| order.details.iter().flatten().for_each(|detail| encode_detail(detail, xml)));
}

/// Reads the fields of `<orderinfo>`. Returns also whether any known field had a value: the answer for an unknown id may be an
/// empty template.
fn decode_order(id: OrderId, element: Element<'_>, fields: FieldReader<'_>) -> Result<(Order, bool), DecodeError> {
    let mut order = Order::new(id);
    let mut has_value = false;
    for field in element.children() {
        match field.name() {
            "date" => fields.only(&mut order.ordered_at, field, fields.time(field))?,
            "type" => fields.only(&mut order.kind, field, text(field))?,
            "status" => fields.only(&mut order.status, field, fields.enum_value(field))?,
            "delivery" => fields.only(&mut order.delivery, field, decode_delivery(field, fields))?,
            "service_id" => fields.only(&mut order.service.id, field, text(field))?,
            "service_uid" => fields.only(&mut order.service.uid, field, text(field))?,
            "service" => fields.first(&mut order.service.name, field, text(field)),
            "category" => fields.first(&mut order.service.category, field, text(field)),
            "provider" => fields.first(&mut order.provider.name, field, text(field)),
            "citynet" => fields.first(&mut order.network_name, field, text(field)),
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
    Ok((order, has_value))
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
fn decode_rows<'t, T>(
    element: Element<'t>,
    name: &str,
    fields: FieldReader<'_>,
    decode: fn(Element<'t>, FieldReader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut rows = Vec::new();
    for child in element.children() {
        if child.name() == name { rows.push(decode(child, fields)?) } else { fields.unknown(child) }
    }
    Ok(rows)
}

/// The parts of a list, which usually has only one.
struct Parts<T> {
    first: Vec<T>,
    others: Vec<Vec<T>>,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self { first: Vec::new(), others: Vec::new() }
    }
}

impl<T: Hash + Eq> Parts<T> {
    fn add(&mut self, part: Vec<T>, element: Element<'_>, fields: FieldReader<'_>) {
        if part.is_empty() {
            return;
        }
        if self.first.is_empty() {
            self.first = part;
        } else {
            fields.repeated(element);
            self.others.push(part);
        }
    }

    /// Removes parts that are equal to an earlier one. Other parts of a list belong together.
    fn without_repetitions(mut self) -> Self {
        if !self.others.is_empty() {
            let mut known = HashSet::from([&self.first]);
            let is_new: Vec<_> = self.others.iter().map(|part| known.insert(part)).collect();
            let mut is_new = is_new.into_iter();
            self.others.retain(|_| is_new.next() == Some(true));
        }
        self
    }

    /// Whether a row is in more than one part.
    fn have_common_row(&self) -> bool {
        if self.others.is_empty() {
            return false;
        }
        let mut part_of = HashMap::new();
        let parts = iter::once(&self.first).chain(&self.others).enumerate();
        let mut rows = parts.flat_map(|(index, part)| part.iter().map(move |row| (index, row)));
        rows.any(|(index, row)| *part_of.entry(row).or_insert(index) != index)
    }

    fn join(self) -> Vec<T> {
        let mut rows = self.first;
        rows.extend(self.others.into_iter().flatten());
        rows
    }
}

fn decode_detail(element: Element<'_>, fields: FieldReader<'_>) -> Detail {
    let mut detail = Detail::default();
    for field in element.children() {
        match field.name() {
            "name" => fields.first(&mut detail.name, field, text(field)),
            "value" => fields.first(&mut detail.value, field, text(field)),
            "monthly" => fields.first(&mut detail.monthly_fee, field, text(field)),
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

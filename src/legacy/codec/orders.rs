//! `orders`: lists the orders placed on or after a date.

use jiff::civil::Date;

use super::{Decoded, undecodable, with_seconds};
use crate::backend::Item;
use crate::legacy::field_reader::{DecodeError, FieldReader, item_id, order_id, text};
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::response_parser::ItemCodec;
use crate::legacy::time_format::parse_day;
use crate::legacy::xml::{Element, MatchedItem, Writer};
use crate::model::{
    CompactDelivery, CompactOrder, CustomerId, DayCache, Delivery, Extensible, ListedOrder, Order, OrderId, OrderStatus,
    OrderedBy, PlainText, RenderedTime, StrEnum, Zone,
};

pub(in crate::legacy) fn request(since: Date) -> QueryParams {
    super::since_request(since)
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<Date, InvalidParams> {
    super::read_since(params)
}

/// How lists of orders are decoded.
pub(in crate::legacy) const CODEC: ItemCodec<ListedOrder> = ItemCodec {
    decode: |element, fields| decode(element, fields).map(ListedOrder::from),
    // The indexes of `decode_plain`.
    fields: &["id", "type", "date", "status", "service", "xsp", "delivery", "customer"],
    decode_plain,
};

/// Decodes one `<order>`.
pub(in crate::legacy) fn decode(element: Element<'_>, fields: FieldReader<'_>) -> Decoded<Order> {
    // Read before the other fields, because an undecodable item is reported with its id.
    let id = item_id(element, order_id).map_err(|DecodeError(detail)| undecodable(None, detail))?;
    let invalid = |DecodeError(detail)| undecodable(Some(id.get()), detail);
    let mut order = Order::new(id);
    for field in element.children() {
        match field.name() {
            "id" => {}
            "type" => fields.only(&mut order.kind, field, text(field)).map_err(invalid)?,
            "date" => fields.only(&mut order.ordered_at, field, fields.time(field)).map_err(invalid)?,
            "status" => fields.only(&mut order.status, field, fields.enum_value(field)).map_err(invalid)?,
            "service" => fields.only(&mut order.service.id, field, text(field)).map_err(invalid)?,
            "xsp" => fields.only(&mut order.provider.id, field, text(field)).map_err(invalid)?,
            "delivery" => fields.only(&mut order.delivery, field, decode_delivery(field, fields)).map_err(invalid)?,
            "customer" => {
                let id = fields.customer_of_order(field);
                let customer = id.map(|id| OrderedBy { id: Some(id), person: None });
                fields.only(&mut order.customer, field, customer).map_err(invalid)?;
            }
            _ => fields.unknown(field),
        }
    }
    for (path, is_missing) in [
        ("order.date", order.ordered_at.is_none()),
        ("order.status", order.status.is_none()),
        ("order.customer", order.customer.is_none()),
    ] {
        if is_missing {
            fields.missing(path);
        }
    }
    Ok(order)
}

/// Decodes an `<order>` of which every text is of the usual form. Any other is left to [`decode`].
fn decode_plain(
    item: &MatchedItem<'_, '_>,
    zone: &Zone,
    days: &mut DayCache,
    batch: &mut Vec<Item<ListedOrder>>,
) -> Option<()> {
    if !item.has_only_fields() {
        return None;
    }
    let field = |index| item.field(index);
    let order = CompactOrder {
        id: OrderId::parse_bytes(field(0)).ok()?,
        kind: optional(field(1)).ok()?,
        ordered_at: plain_time(field(2), zone, days)?,
        status: OrderStatus::ALL.iter().copied().find(|known| known.as_str().as_bytes() == field(3))?,
        service: optional(field(4)).ok()?,
        provider: optional(field(5)).ok()?,
        delivery: match field(6) {
            b"" => None,
            b"asap" => Some(CompactDelivery::Asap),
            time => Some(CompactDelivery::At(plain_time(time, zone, days)?)),
        },
        customer: CustomerId::parse_bytes(field(7)).ok()?,
    };
    batch.push(Item::Decoded(ListedOrder::Compact(order)));
    Some(())
}

/// A text that is not plain.
struct NotPlain;

/// A text that may be missing.
fn optional(text: &[u8]) -> Result<Option<PlainText>, NotPlain> {
    if text.is_empty() { Ok(None) } else { PlainText::new(text).map(Some).ok_or(NotPlain) }
}

/// A time such as `2016-03-14 09:05:00`.
fn plain_time(text: &[u8], zone: &Zone, days: &mut DayCache) -> Option<RenderedTime> {
    let (date, time) = text.split_first_chunk()?;
    let time = time.strip_prefix(b" ")?.try_into().ok()?;
    zone.render(*date, time, days, parse_day)
}

/// Writes one `<order>` with the fields that lists have.
pub(in crate::legacy) fn encode(order: &Order, xml: &mut Writer) {
    let customer = order.customer.as_ref().and_then(|customer| customer.id);
    xml.element("order", |xml| {
        xml.text("id", &order.id.to_string());
        xml.optional("type", order.kind.as_deref());
        xml.optional("date", order.ordered_at.map(|at| with_seconds(at.wall())).as_deref());
        xml.optional("status", order.status.as_ref().map(Extensible::as_str));
        xml.optional("service", order.service.id.as_deref());
        xml.optional("xsp", order.provider.id.as_deref());
        xml.optional("delivery", order.delivery.map(|delivery| encode_delivery(delivery, with_seconds)).as_deref());
        xml.optional("customer", customer.map(|id| id.to_string()).as_deref());
    });
}

/// Decodes `asap`, in any case, or a time.
pub(super) fn decode_delivery(element: Element<'_>, fields: FieldReader<'_>) -> Option<Delivery> {
    if element.text().is_some_and(|text| text.eq_ignore_ascii_case("asap")) {
        return Some(Delivery::Asap);
    }
    fields.time(element).map(Delivery::At)
}

pub(super) fn encode_delivery(delivery: Delivery, format: fn(jiff::civil::DateTime) -> String) -> String {
    match delivery {
        Delivery::Asap => "asap".to_owned(),
        Delivery::At(time) => format(time.wall()),
    }
}

pub(super) fn read_order_id(params: &QueryParams) -> Result<OrderId, InvalidParams> {
    OrderId::parse(params.get("id")?).map_err(|_| InvalidParams("id is not valid"))
}

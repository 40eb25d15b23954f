//! `customers`: lists the customers created or edited on or after a date.

use jiff::civil::Date;

use super::customer_fields::{CustomerFields, encode_identity};
use super::{Decoded, undecodable, with_minutes};
use crate::config::Dialect;
use crate::legacy::field_reader::{DecodeError, FieldReader, customer_id, item_id};
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::response_parser::ItemCodec;
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, Pii};

pub(in crate::legacy) fn request(since: Date) -> QueryParams {
    super::since_request(since)
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<Date, InvalidParams> {
    super::read_since(params)
}

/// How lists of customers are decoded.
pub(in crate::legacy) const CODEC: ItemCodec<Customer> = ItemCodec { decode, fields: &[], decode_plain: |_, _, _, _| None };

/// Decodes one `<customer>`.
pub(in crate::legacy) fn decode(element: Element<'_>, fields: FieldReader<'_>) -> Decoded<Customer> {
    // Read before the other fields, because an undecodable item is reported with its id.
    let id = item_id(element, customer_id).map_err(|DecodeError(detail)| undecodable(None, detail))?;
    let read = CustomerFields::read(element, fields, customer_id);
    let read = read.map_err(|DecodeError(detail)| undecodable(Some(id.get()), detail))?;
    Ok(Customer { id, person: read.unwrap_or_default().person })
}

/// Writes one `<customer>` with the fields that lists have: the network dialect has the e-mail address, the provider dialect
/// the date.
pub(in crate::legacy) fn encode(customer: &Customer, dialect: Dialect, xml: &mut Writer) {
    xml.element("customer", |xml| {
        encode_identity(Some(customer.id), &customer.person, xml);
        match dialect {
            Dialect::Network => xml.optional("email", customer.person.email.as_ref().map(Pii::expose)),
            Dialect::Provider => {
                let date = customer.person.registered_at.map(|at| with_minutes(at.wall()));
                xml.optional("date", date.as_deref());
            }
        }
    });
}

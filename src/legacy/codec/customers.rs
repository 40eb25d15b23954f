//! `customers`: lists the customers created or edited on or after a date.

use jiff::civil::Date;

use super::customer_fields::{CustomerFields, encode_identity};
use super::{Decoded, undecodable, with_minutes};
use crate::config::Dialect;
use crate::legacy::field_reader::{DecodeError, FieldReader};
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, CustomerId, Pii};

pub(in crate::legacy) fn request(since: Date) -> QueryParams {
    super::since_request(since)
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<Date, InvalidParams> {
    super::read_since(params)
}

/// Decodes one `<customer>`.
pub(in crate::legacy) fn decode(element: Element<'_>, fields: FieldReader<'_>) -> Decoded<Customer> {
    let mut customer = CustomerFields::default();
    let result = customer.read(element, fields);
    // Reported with the item, also if a later field is invalid.
    let id = customer.id().map(CustomerId::get);
    result.map_err(|DecodeError(detail)| undecodable(id, detail))?;
    let customer = customer.into_customer().map_err(|DecodeError(detail)| undecodable(id, detail))?;
    customer.ok_or_else(|| undecodable(None, "it is empty"))
}

/// Writes one `<customer>` with the fields that lists have: the network dialect has the e-mail address, the provider dialect
/// the date.
pub(in crate::legacy) fn encode(customer: &Customer, dialect: Dialect, xml: &mut Writer) {
    xml.element("customer", |xml| {
        encode_identity(customer, xml);
        match dialect {
            Dialect::Network => xml.optional("email", customer.email.as_ref().map(Pii::expose)),
            Dialect::Provider => {
                let date = customer.registered_at.map(|at| with_minutes(at.wall()));
                xml.optional("date", date.as_deref());
            }
        }
    });
}

//! `customers`: customers that are new or were edited on or after a date.

use jiff::civil::Date;

use super::customer_fields::{CustomerFields, encode_identity};
use super::{Decoded, unreadable, with_minutes};
use crate::config::Dialect;
use crate::legacy::field_reader::{DecodeError, FieldReader};
use crate::legacy::query::{BadRequest, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, CustomerId, Pii};

pub(in crate::legacy) fn request(since: Date) -> QueryParams {
    super::since_request(since)
}

pub(in crate::legacy) fn read_request(request: &QueryParams) -> Result<Date, BadRequest> {
    super::read_since(request)
}

/// Reads one `<customer>`.
pub(in crate::legacy) fn decode(element: Element<'_>, reading: FieldReader<'_>) -> Decoded<Customer> {
    let mut person = CustomerFields::default();
    let read = person.read(element, reading);
    let id = person.id().map(CustomerId::get);
    read.map_err(|DecodeError(detail)| unreadable(id, detail))?;
    let customer = person.into_customer().map_err(|DecodeError(detail)| unreadable(id, detail))?;
    customer.ok_or_else(|| unreadable(None, "it is empty"))
}

/// Writes one `<customer>` with what lists tell: network operators read the e-mail address, providers the date.
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

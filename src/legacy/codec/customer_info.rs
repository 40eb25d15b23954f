//! `customer_info`: reads one customer, whose fields are split between `<customer>` and `<data>`.

use super::customer_fields::{CustomerFields, encode_address, encode_contact, encode_identity};
use crate::config::Dialect;
use crate::legacy::field_reader::{DecodeError, FieldReader};
use crate::legacy::query::{InvalidParams, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, CustomerId, Pii};

pub(in crate::legacy) fn request(id: CustomerId) -> QueryParams {
    QueryParams::default().with("id", id.to_string())
}

pub(in crate::legacy) fn read_request(params: &QueryParams) -> Result<CustomerId, InvalidParams> {
    CustomerId::parse(params.get("id")?).map_err(|_| InvalidParams("id is not valid"))
}

/// Decodes the elements of an answer. `None` if there is no customer in them.
pub(in crate::legacy) fn decode<'t>(
    id: CustomerId,
    elements: impl Iterator<Item = Element<'t>>,
    fields: FieldReader<'_>,
) -> Result<Option<Customer>, DecodeError> {
    let mut customer = CustomerFields::default();
    for element in elements {
        customer.read(element, fields)?;
    }
    // An answer without an id counts as "no such customer", whatever other fields an empty template has.
    if customer.id().is_none() {
        return Ok(None);
    }
    match customer.into_customer()? {
        Some(other) if other.id != id => Err(DecodeError("it is about another customer")),
        customer => Ok(customer),
    }
}

/// Writes the elements of an answer. Only the network dialect has the member id.
pub(in crate::legacy) fn encode(customer: &Customer, dialect: Dialect, xml: &mut Writer) {
    xml.element("customer", |xml| {
        encode_identity(customer, xml);
        encode_address(customer, xml);
        if dialect == Dialect::Network {
            xml.optional("member", customer.member_id.as_ref().map(Pii::expose));
        }
    });
    xml.element("data", |xml| encode_contact(customer, xml));
}

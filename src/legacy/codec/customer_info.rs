//! `customer_info`: one customer, split into `<customer>` and `<data>`.

use super::customer_fields::{CustomerFields, encode_address, encode_contact, encode_identity};
use crate::config::Dialect;
use crate::legacy::field_reader::{DecodeError, FieldReader};
use crate::legacy::query::{BadRequest, QueryParams};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, CustomerId, Pii};

pub(in crate::legacy) fn request(id: CustomerId) -> QueryParams {
    QueryParams::default().with("id", id.to_string())
}

pub(in crate::legacy) fn read_request(request: &QueryParams) -> Result<CustomerId, BadRequest> {
    CustomerId::parse(request.get("id")?).map_err(|_| BadRequest("id is not valid"))
}

/// Reads the parts of an answer; `None` when there is no customer in them.
pub(in crate::legacy) fn decode<'t>(
    id: CustomerId,
    parts: impl Iterator<Item = Element<'t>>,
    reading: FieldReader<'_>,
) -> Result<Option<Customer>, DecodeError> {
    let mut person = CustomerFields::default();
    for part in parts {
        person.read(part, reading)?;
    }
    if person.id().is_none() {
        return Ok(None);
    }
    match person.into_customer()? {
        Some(other) if other.id != id => Err(DecodeError("it is about another customer")),
        customer => Ok(customer),
    }
}

/// Writes the parts of an answer. Only network operators know memberships.
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

//! `customer_info`: one customer, split into `<customer>` and `<data>`.

use super::person::{Person, encode_address, encode_contact, encode_identity};
use crate::config::Dialect;
use crate::legacy::reading::{Reading, Unread};
use crate::legacy::request::{BadRequest, Request};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, CustomerId, Personal};

pub(in crate::legacy) fn request(id: CustomerId) -> Request {
    Request::default().with("id", id.to_string())
}

pub(in crate::legacy) fn read_request(request: &Request) -> Result<CustomerId, BadRequest> {
    CustomerId::parse(request.get("id")?).map_err(|_| BadRequest("id is not valid"))
}

/// Reads the parts of an answer; `None` when there is no customer in them.
pub(in crate::legacy) fn decode<'t>(
    id: CustomerId,
    parts: impl Iterator<Item = Element<'t>>,
    reading: Reading<'_>,
) -> Result<Option<Customer>, Unread> {
    let mut person = Person::default();
    for part in parts {
        person.read(part, reading)?;
    }
    if person.id().is_none() {
        return Ok(None);
    }
    match person.into_customer()? {
        Some(other) if other.id != id => Err(Unread("it is about another customer")),
        customer => Ok(customer),
    }
}

/// Writes the parts of an answer. Only network operators know memberships.
pub(in crate::legacy) fn encode(customer: &Customer, dialect: Dialect, xml: &mut Writer) {
    xml.element("customer", |xml| {
        encode_identity(customer, xml);
        encode_address(customer, xml);
        if dialect == Dialect::Network {
            xml.optional("member", customer.member_id.as_ref().map(Personal::expose));
        }
    });
    xml.element("data", |xml| encode_contact(customer, xml));
}

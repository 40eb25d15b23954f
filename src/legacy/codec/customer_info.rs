//! `customer_info`: reads one customer, whose fields are split between `<customer>` and `<data>`.

use super::customer_fields::{CustomerFields, encode_address, encode_contact, encode_identity};
use crate::config::Dialect;
use crate::legacy::field_reader::{DecodeError, FieldReader, customer_id};
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
    let (mut customer, mut data, mut data_element) = (None, None, None);
    for element in elements {
        let read = CustomerFields::read(element, fields, customer_id)?;
        if element.name() == "customer" {
            fields.only(&mut customer, element, read)?;
        } else {
            fields.only(&mut data, element, read)?;
            data_element = Some(element);
        }
    }
    let mut customer = customer.unwrap_or_default();
    if let Some((data, element)) = data.zip(data_element) {
        customer.add(data, element, fields)?;
    }
    match customer.id {
        // An answer without an id counts as "no such customer", whatever other fields an empty template has.
        None => Ok(None),
        Some(other) if other != id => Err(DecodeError("it is about another customer")),
        Some(id) => Ok(Some(Customer { id, person: customer.person })),
    }
}

/// Writes the elements of an answer. Only the network dialect has the member id.
pub(in crate::legacy) fn encode(customer: &Customer, dialect: Dialect, xml: &mut Writer) {
    xml.element("customer", |xml| {
        encode_identity(Some(customer.id), &customer.person, xml);
        encode_address(&customer.person, xml);
        if dialect == Dialect::Network {
            xml.optional("member", customer.person.member_id.as_ref().map(Pii::expose));
        }
    });
    xml.element("data", |xml| encode_contact(&customer.person, xml));
}

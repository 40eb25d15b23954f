//! The fields of `<customer>`, in whatever mixture an answer has them.

use crate::legacy::reading::{Reading, Unread, customer_id, first, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Common, Customer, CustomerId, IdentityNumber, LocalTime, Personal, Private};

/// What is known of a customer before it is known whether they have an id.
#[derive(Debug, Default)]
pub(super) struct Person {
    id: Option<CustomerId>,
    access_id: Option<Personal<Common>>,
    personal_identity_number: Option<Personal<IdentityNumber>>,
    first_name: Option<Personal<Common>>,
    last_name: Option<Personal<Common>>,
    email: Option<Personal<Private>>,
    address: Option<Personal<Private>>,
    postal_code: Option<Personal<Common>>,
    city: Option<Personal<Common>>,
    phone: Option<Personal<Private>>,
    premise: Option<Personal<Private>>,
    message: Option<Personal<Private>>,
    member_id: Option<Personal<Common>>,
    registered_at: Option<LocalTime>,
    has_value: bool,
}

impl Person {
    /// Reads the fields in an element; a field that was read before keeps its value.
    pub(super) fn read(&mut self, element: Element<'_>, reading: Reading<'_>) -> Result<(), Unread> {
        for field in element.children() {
            self.has_value |= field.text().is_some();
            match field.name() {
                "id" => first(&mut self.id, customer_id(field)?),
                "date" => first(&mut self.registered_at, reading.time(field)),
                "socket" => first(&mut self.access_id, text(field)),
                "serial" => first(&mut self.personal_identity_number, text(field)),
                "firstname" => first(&mut self.first_name, text(field)),
                "surname" => first(&mut self.last_name, text(field)),
                "email" => first(&mut self.email, text(field)),
                "address" => first(&mut self.address, text(field)),
                "zip" => first(&mut self.postal_code, text(field)),
                "city" => first(&mut self.city, text(field)),
                "phone" => first(&mut self.phone, text(field)),
                "premise" => first(&mut self.premise, text(field)),
                "message" => first(&mut self.message, text(field)),
                "member" => first(&mut self.member_id, text(field)),
                _ => reading.unknown(field),
            }
        }
        Ok(())
    }

    /// The id, when it has been read.
    pub(super) const fn id(&self) -> Option<CustomerId> {
        self.id
    }

    /// The customer; `None` when no field had a value.
    pub(super) fn into_customer(self) -> Result<Option<Customer>, Unread> {
        let Some(id) = self.id else {
            return if self.has_value { Err(Unread("its customer has no id")) } else { Ok(None) };
        };
        Ok(Some(Customer {
            id,
            access_id: self.access_id,
            personal_identity_number: self.personal_identity_number,
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email,
            address: self.address,
            postal_code: self.postal_code,
            city: self.city,
            phone: self.phone,
            premise: self.premise,
            message: self.message,
            member_id: self.member_id,
            registered_at: self.registered_at,
        }))
    }
}

/// Who they are: what every answer with a customer has.
pub(super) fn encode_identity(customer: &Customer, xml: &mut Writer) {
    xml.text("id", &customer.id.to_string());
    xml.optional("socket", customer.access_id.as_ref().map(Personal::expose));
    xml.optional("serial", customer.personal_identity_number.as_ref().map(Personal::expose));
    xml.optional("firstname", customer.first_name.as_ref().map(Personal::expose));
    xml.optional("surname", customer.last_name.as_ref().map(Personal::expose));
}

/// Where they live.
pub(super) fn encode_address(customer: &Customer, xml: &mut Writer) {
    xml.optional("email", customer.email.as_ref().map(Personal::expose));
    xml.optional("address", customer.address.as_ref().map(Personal::expose));
    xml.optional("zip", customer.postal_code.as_ref().map(Personal::expose));
    xml.optional("city", customer.city.as_ref().map(Personal::expose));
}

/// How to reach them about the order.
pub(super) fn encode_contact(customer: &Customer, xml: &mut Writer) {
    xml.optional("message", customer.message.as_ref().map(Personal::expose));
    xml.optional("phone", customer.phone.as_ref().map(Personal::expose));
    xml.optional("premise", customer.premise.as_ref().map(Personal::expose));
}

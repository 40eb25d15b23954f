//! The fields of `<customer>`, in whatever mixture an answer has them.

use crate::legacy::reading::{Reading, Unread, customer_id, first, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Customer, CustomerId, LocalTime};

/// What is known of a customer before it is known whether they have an id.
#[derive(Debug, Default)]
pub(super) struct Person {
    id: Option<CustomerId>,
    access_id: Option<String>,
    personal_identity_number: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    address: Option<String>,
    postal_code: Option<String>,
    city: Option<String>,
    phone: Option<String>,
    premise: Option<String>,
    message: Option<String>,
    member_id: Option<String>,
    registered_at: Option<LocalTime>,
    has_value: bool,
}

impl Person {
    /// Reads the fields in an element; a field that was read before keeps its value.
    pub(super) fn read(&mut self, element: Element<'_>, reading: Reading<'_>) -> Result<(), Unread> {
        for field in element.children() {
            self.has_value |= field.text().is_some();
            let place = match field.name() {
                "id" => {
                    first(&mut self.id, customer_id(field)?);
                    continue;
                }
                "date" => {
                    first(&mut self.registered_at, reading.time(field));
                    continue;
                }
                "socket" => &mut self.access_id,
                "serial" => &mut self.personal_identity_number,
                "firstname" => &mut self.first_name,
                "surname" => &mut self.last_name,
                "email" => &mut self.email,
                "address" => &mut self.address,
                "zip" => &mut self.postal_code,
                "city" => &mut self.city,
                "phone" => &mut self.phone,
                "premise" => &mut self.premise,
                "message" => &mut self.message,
                "member" => &mut self.member_id,
                _ => {
                    reading.unknown(field);
                    continue;
                }
            };
            first(place, text(field));
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
    xml.optional("socket", customer.access_id.as_deref());
    xml.optional("serial", customer.personal_identity_number.as_deref());
    xml.optional("firstname", customer.first_name.as_deref());
    xml.optional("surname", customer.last_name.as_deref());
}

/// Where they live.
pub(super) fn encode_address(customer: &Customer, xml: &mut Writer) {
    xml.optional("email", customer.email.as_deref());
    xml.optional("address", customer.address.as_deref());
    xml.optional("zip", customer.postal_code.as_deref());
    xml.optional("city", customer.city.as_deref());
}

/// How to reach them about the order.
pub(super) fn encode_contact(customer: &Customer, xml: &mut Writer) {
    xml.optional("message", customer.message.as_deref());
    xml.optional("phone", customer.phone.as_deref());
    xml.optional("premise", customer.premise.as_deref());
}

//! The fields of a customer. Each answer has another selection of them, spread over one or two elements.

use crate::legacy::field_reader::{DecodeError, FieldReader, customer_id, set_once, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{Common, Customer, CustomerId, IdentityNumber, LocalTime, Pii, Private};

/// A customer whose fields have not all been read.
#[derive(Debug, Default)]
pub(super) struct CustomerFields {
    id: Option<CustomerId>,
    access_id: Option<Pii<Common>>,
    personal_identity_number: Option<Pii<IdentityNumber>>,
    first_name: Option<Pii<Common>>,
    last_name: Option<Pii<Common>>,
    email: Option<Pii<Private>>,
    address: Option<Pii<Private>>,
    postal_code: Option<Pii<Common>>,
    city: Option<Pii<Common>>,
    phone: Option<Pii<Private>>,
    premise: Option<Pii<Private>>,
    message: Option<Pii<Private>>,
    member_id: Option<Pii<Common>>,
    registered_at: Option<LocalTime>,
    /// Whether any field had a value, also one that no decoder knows.
    has_value: bool,
}

impl CustomerFields {
    /// Reads the fields in an element. A field that was read before keeps its value.
    pub(super) fn read(&mut self, element: Element<'_>, fields: FieldReader<'_>) -> Result<(), DecodeError> {
        for field in element.children() {
            self.has_value |= field.text().is_some();
            match field.name() {
                "id" => set_once(&mut self.id, customer_id(field)?),
                "date" => set_once(&mut self.registered_at, fields.time(field)),
                "socket" => set_once(&mut self.access_id, text(field)),
                "serial" => set_once(&mut self.personal_identity_number, text(field)),
                "firstname" => set_once(&mut self.first_name, text(field)),
                "surname" => set_once(&mut self.last_name, text(field)),
                "email" => set_once(&mut self.email, text(field)),
                "address" => set_once(&mut self.address, text(field)),
                "zip" => set_once(&mut self.postal_code, text(field)),
                "city" => set_once(&mut self.city, text(field)),
                "phone" => set_once(&mut self.phone, text(field)),
                "premise" => set_once(&mut self.premise, text(field)),
                "message" => set_once(&mut self.message, text(field)),
                "member" => set_once(&mut self.member_id, text(field)),
                _ => fields.unknown(field),
            }
        }
        Ok(())
    }

    /// The id, if it was read.
    pub(super) const fn id(&self) -> Option<CustomerId> {
        self.id
    }

    /// The customer; `None` if no field had a value.
    pub(super) fn into_customer(self) -> Result<Option<Customer>, DecodeError> {
        let Some(id) = self.id else {
            return if self.has_value { Err(DecodeError("its customer has no id")) } else { Ok(None) };
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

/// Writes the fields that every answer with a customer has.
pub(super) fn encode_identity(customer: &Customer, xml: &mut Writer) {
    xml.text("id", &customer.id.to_string());
    xml.optional("socket", customer.access_id.as_ref().map(Pii::expose));
    xml.optional("serial", customer.personal_identity_number.as_ref().map(Pii::expose));
    xml.optional("firstname", customer.first_name.as_ref().map(Pii::expose));
    xml.optional("surname", customer.last_name.as_ref().map(Pii::expose));
}

pub(super) fn encode_address(customer: &Customer, xml: &mut Writer) {
    xml.optional("email", customer.email.as_ref().map(Pii::expose));
    xml.optional("address", customer.address.as_ref().map(Pii::expose));
    xml.optional("zip", customer.postal_code.as_ref().map(Pii::expose));
    xml.optional("city", customer.city.as_ref().map(Pii::expose));
}

pub(super) fn encode_contact(customer: &Customer, xml: &mut Writer) {
    xml.optional("message", customer.message.as_ref().map(Pii::expose));
    xml.optional("phone", customer.phone.as_ref().map(Pii::expose));
    xml.optional("premise", customer.premise.as_ref().map(Pii::expose));
}

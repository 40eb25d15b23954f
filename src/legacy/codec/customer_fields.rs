//! The fields of a customer. Each answer has another selection of them, spread over one or two elements.

use crate::legacy::field_reader::{DecodeError, FieldReader, text};
use crate::legacy::xml::{Element, Writer};
use crate::model::{CustomerId, Person, Pii};

/// What one element says of a customer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CustomerFields {
    pub(super) id: Option<CustomerId>,
    pub(super) person: Person,
}

impl CustomerFields {
    /// Reads an element, ids with `read_id`. `None` if no known field has a value.
    pub(super) fn read<'t>(
        element: Element<'t>,
        fields: FieldReader<'_>,
        read_id: impl Fn(Element<'t>) -> Result<Option<CustomerId>, DecodeError>,
    ) -> Result<Option<Self>, DecodeError> {
        let mut customer = Self::default();
        let Self { id, person } = &mut customer;
        for field in element.children() {
            match field.name() {
                "id" => fields.only(id, field, read_id(field)?)?,
                "date" => fields.only(&mut person.registered_at, field, fields.time(field))?,
                "socket" => fields.only(&mut person.access_id, field, text(field))?,
                "serial" => fields.only(&mut person.personal_identity_number, field, text(field))?,
                "member" => fields.only(&mut person.member_id, field, text(field))?,
                "firstname" => fields.first(&mut person.first_name, field, text(field)),
                "surname" => fields.first(&mut person.last_name, field, text(field)),
                "email" => fields.first(&mut person.email, field, text(field)),
                "address" => fields.first(&mut person.address, field, text(field)),
                "zip" => fields.first(&mut person.postal_code, field, text(field)),
                "city" => fields.first(&mut person.city, field, text(field)),
                "phone" => fields.first(&mut person.phone, field, text(field)),
                "premise" => fields.first(&mut person.premise, field, text(field)),
                "message" => fields.first(&mut person.message, field, text(field)),
                _ => fields.unknown(field),
            }
        }
        Ok((customer != Self::default()).then_some(customer))
    }

    /// Adds what another element says of the same customer; its fields are treated like repetitions in one element.
    pub(super) fn add(&mut self, other: Self, element: Element<'_>, fields: FieldReader<'_>) -> Result<(), DecodeError> {
        let (known, person) = (&mut self.person, other.person);
        fields.only(&mut self.id, element, other.id)?;
        fields.only(&mut known.registered_at, element, person.registered_at)?;
        fields.only(&mut known.access_id, element, person.access_id)?;
        fields.only(&mut known.personal_identity_number, element, person.personal_identity_number)?;
        fields.only(&mut known.member_id, element, person.member_id)?;
        fields.first(&mut known.first_name, element, person.first_name);
        fields.first(&mut known.last_name, element, person.last_name);
        fields.first(&mut known.email, element, person.email);
        fields.first(&mut known.address, element, person.address);
        fields.first(&mut known.postal_code, element, person.postal_code);
        fields.first(&mut known.city, element, person.city);
        fields.first(&mut known.phone, element, person.phone);
        fields.first(&mut known.premise, element, person.premise);
        fields.first(&mut known.message, element, person.message);
        Ok(())
    }
}

/// Writes the fields that every answer with a customer has.
pub(super) fn encode_identity(id: Option<CustomerId>, person: &Person, xml: &mut Writer) {
    xml.optional("id", id.map(|id| id.to_string()).as_deref());
    xml.optional("socket", person.access_id.as_ref().map(Pii::expose));
    xml.optional("serial", person.personal_identity_number.as_ref().map(Pii::expose));
    xml.optional("firstname", person.first_name.as_ref().map(Pii::expose));
    xml.optional("surname", person.last_name.as_ref().map(Pii::expose));
}

pub(super) fn encode_address(person: &Person, xml: &mut Writer) {
    xml.optional("email", person.email.as_ref().map(Pii::expose));
    xml.optional("address", person.address.as_ref().map(Pii::expose));
    xml.optional("zip", person.postal_code.as_ref().map(Pii::expose));
    xml.optional("city", person.city.as_ref().map(Pii::expose));
}

pub(super) fn encode_contact(person: &Person, xml: &mut Writer) {
    xml.optional("message", person.message.as_ref().map(Pii::expose));
    xml.optional("phone", person.phone.as_ref().map(Pii::expose));
    xml.optional("premise", person.premise.as_ref().map(Pii::expose));
}

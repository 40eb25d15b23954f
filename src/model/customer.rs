//! The end customer.

use super::{Common, CustomerId, IdentityNumber, LocalTime, Pii, Private};

/// An end customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Customer id.
    pub id: CustomerId,
    /// What is known of the customer besides.
    pub person: Person,
}

/// What is known of a customer besides the id. Which values are present depends on the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Access point (`socket`): digits or a code such as `KC0101A06`.
    pub access_id: Option<Pii<Common>>,
    /// Swedish personal identity number (`serial`): 10, 12 or 14 digits, sometimes masked.
    pub personal_identity_number: Option<Pii<IdentityNumber>>,
    /// First name.
    pub first_name: Option<Pii<Common>>,
    /// Last name.
    pub last_name: Option<Pii<Common>>,
    /// E-mail address.
    pub email: Option<Pii<Private>>,
    /// Street address.
    pub address: Option<Pii<Private>>,
    /// Postal code.
    pub postal_code: Option<Pii<Common>>,
    /// City.
    pub city: Option<Pii<Common>>,
    /// Phone number.
    pub phone: Option<Pii<Private>>,
    /// Name of the dwelling in the network.
    pub premise: Option<Pii<Private>>,
    /// Message that the customer left with the order.
    pub message: Option<Pii<Private>>,
    /// Membership number in the network.
    pub member_id: Option<Pii<Common>>,
    /// Time of registration.
    pub registered_at: Option<LocalTime>,
}

impl Person {
    /// Texts that may identify the customer or the dwelling, to be redacted from upstream messages.
    pub fn identifying_texts(&self) -> impl Iterator<Item = &str> {
        let Self { access_id, first_name, last_name, member_id, .. } = self;
        let common = [access_id, first_name, last_name, member_id].into_iter().flatten().map(Pii::expose);
        let Self { email, address, phone, premise, message, .. } = self;
        let private = [email, address, phone, premise, message].into_iter().flatten().map(Pii::expose);
        common.chain(private).chain(self.personal_identity_number.iter().map(Pii::expose))
    }
}

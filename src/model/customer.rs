//! The end customer.

use super::{Common, CustomerId, IdentityNumber, LocalTime, Pii, Private};

/// An end customer, as far as the call that was made knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The customer's number.
    pub id: CustomerId,
    /// The access point (`socket`): digits or a code such as `KC0101A06`.
    pub access_id: Option<Pii<Common>>,
    /// Swedish personal identity number (`serial`): 10, 12 or 14 digits, sometimes masked.
    pub personal_identity_number: Option<Pii<IdentityNumber>>,
    /// First name.
    pub first_name: Option<Pii<Common>>,
    /// Last name.
    pub last_name: Option<Pii<Common>>,
    /// E-mail address.
    pub email: Option<Pii<Private>>,
    /// Street and number.
    pub address: Option<Pii<Private>>,
    /// Postal code.
    pub postal_code: Option<Pii<Common>>,
    /// City.
    pub city: Option<Pii<Common>>,
    /// Phone number.
    pub phone: Option<Pii<Private>>,
    /// The network's own name of the flat or house.
    pub premise: Option<Pii<Private>>,
    /// What the customer wrote when ordering.
    pub message: Option<Pii<Private>>,
    /// The network's membership number.
    pub member_id: Option<Pii<Common>>,
    /// When the customer was registered.
    pub registered_at: Option<LocalTime>,
}

impl Customer {
    /// A customer of whom only the number is known.
    #[must_use]
    pub fn new(id: CustomerId) -> Self {
        Self {
            id,
            access_id: None,
            personal_identity_number: None,
            first_name: None,
            last_name: None,
            email: None,
            address: None,
            postal_code: None,
            city: None,
            phone: None,
            premise: None,
            message: None,
            member_id: None,
            registered_at: None,
        }
    }

    /// The texts by which the customer or the home can be known.
    pub fn identifying_texts(&self) -> impl Iterator<Item = &str> {
        let Self { access_id, first_name, last_name, member_id, .. } = self;
        let common = [access_id, first_name, last_name, member_id].into_iter().flatten().map(Pii::expose);
        let Self { email, address, phone, premise, message, .. } = self;
        let private = [email, address, phone, premise, message].into_iter().flatten().map(Pii::expose);
        common.chain(private).chain(self.personal_identity_number.iter().map(Pii::expose))
    }
}

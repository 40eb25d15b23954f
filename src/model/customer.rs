//! The end customer.

use super::{Common, CustomerId, IdentityNumber, LocalTime, Personal, Private};

/// An end customer, as far as the call that was made knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The customer's number.
    pub id: CustomerId,
    /// The access point (`socket`): digits or a code such as `KC0101A06`.
    pub access_id: Option<Personal<Common>>,
    /// Swedish personal identity number (`serial`): 10, 12 or 14 digits, sometimes masked.
    pub personal_identity_number: Option<Personal<IdentityNumber>>,
    /// First name.
    pub first_name: Option<Personal<Common>>,
    /// Last name.
    pub last_name: Option<Personal<Common>>,
    /// E-mail address.
    pub email: Option<Personal<Private>>,
    /// Street and number.
    pub address: Option<Personal<Private>>,
    /// Postal code.
    pub postal_code: Option<Personal<Common>>,
    /// City.
    pub city: Option<Personal<Common>>,
    /// Phone number.
    pub phone: Option<Personal<Private>>,
    /// The network's own name of the flat or house.
    pub premise: Option<Personal<Private>>,
    /// What the customer wrote when ordering.
    pub message: Option<Personal<Private>>,
    /// The network's membership number.
    pub member_id: Option<Personal<Common>>,
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
        let common = [access_id, first_name, last_name, member_id].into_iter().flatten().map(Personal::expose);
        let Self { email, address, phone, premise, message, .. } = self;
        let private = [email, address, phone, premise, message].into_iter().flatten().map(Personal::expose);
        common.chain(private).chain(self.personal_identity_number.iter().map(Personal::expose))
    }
}

//! The end customer.

use super::{CustomerId, LocalTime};

/// An end customer, as far as the call that was made knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The customer's number.
    pub id: CustomerId,
    /// The access point (`socket`): digits or a code such as `KC0101A06`.
    pub access_id: Option<String>,
    /// Swedish personal identity number (`serial`): 10, 12 or 14 digits, sometimes masked.
    pub personal_identity_number: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Street and number.
    pub address: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// The network's own name of the flat or house.
    pub premise: Option<String>,
    /// What the customer wrote when ordering.
    pub message: Option<String>,
    /// The network's membership number.
    pub member_id: Option<String>,
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
}

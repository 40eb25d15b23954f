//! Customers.

use serde::Deserialize;

use super::value::{Text, text, time};
use super::{ListItem, ReadError, Resource};
use crate::model::{Customer, CustomerId, Person, Zone};

/// The members of a customer, all of them optional: the customer of an order may have no id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct CustomerMembers<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    access_id: Option<Text<'a>>,
    personal_identity_number: Option<Text<'a>>,
    first_name: Option<Text<'a>>,
    last_name: Option<Text<'a>>,
    email: Option<Text<'a>>,
    address: Option<Text<'a>>,
    postal_code: Option<Text<'a>>,
    city: Option<Text<'a>>,
    phone: Option<Text<'a>>,
    premise: Option<Text<'a>>,
    message: Option<Text<'a>>,
    member_id: Option<Text<'a>>,
    registered_at: Option<Text<'a>>,
}

impl CustomerMembers<'_> {
    /// The id, if there is one, and everything else.
    pub(super) fn into_parts(self, zone: &Zone) -> Result<(Option<CustomerId>, Person), ReadError> {
        const INVALID_ID: ReadError = ReadError("its customer id is not a valid customer id");
        let id = self.id.map(CustomerId::try_new).transpose().map_err(|_| INVALID_ID)?;
        let person = Person {
            access_id: text(self.access_id),
            personal_identity_number: text(self.personal_identity_number),
            first_name: text(self.first_name),
            last_name: text(self.last_name),
            email: text(self.email),
            address: text(self.address),
            postal_code: text(self.postal_code),
            city: text(self.city),
            phone: text(self.phone),
            premise: text(self.premise),
            message: text(self.message),
            member_id: text(self.member_id),
            registered_at: time(self.registered_at, zone)?,
        };
        Ok((id, person))
    }
}

impl Resource for Customer {
    type Members<'a> = CustomerMembers<'a>;

    const MISMATCH: ReadError = ReadError("it is not a customer of the API");

    fn from_details(members: CustomerMembers<'_>, zone: &Zone) -> Result<Self, ReadError> {
        let (id, person) = members.into_parts(zone)?;
        Ok(Self { id: id.ok_or(ReadError("it has no id"))?, person })
    }
}

/// Which members a list has depends on the client, so all of them are read.
impl ListItem for Customer {
    fn from_item(members: CustomerMembers<'_>, zone: &Zone) -> Result<Self, ReadError> {
        Self::from_details(members, zone)
    }
}

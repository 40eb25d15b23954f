//! What is compared: orders or customers, in what each call and each protocol can state of them.

use super::field::{Field, FieldSet};
use crate::config::Dialect;

/// The protocol of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The legacy protocol.
    Legacy(Dialect),
    /// The JSON of the API, which can state every field.
    Json,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Orders,
    Customers,
}

const ORDER_LIST: &[Field] = &[
    Field::Type,
    Field::Status,
    Field::OrderedAt,
    Field::RequestedDeliveryAt,
    Field::DeliverAsap,
    Field::ServiceId,
    Field::ProviderId,
    Field::CustomerId,
];
const CUSTOMER_LIST: &[Field] =
    &[Field::AccessId, Field::PersonalIdentityNumber, Field::FirstName, Field::LastName, Field::Email, Field::RegisteredAt];

impl Subject {
    /// The fields of its lists.
    pub(super) const fn list_fields(self) -> &'static [Field] {
        match self {
            Self::Orders => ORDER_LIST,
            Self::Customers => CUSTOMER_LIST,
        }
    }

    /// The fields of one.
    pub(super) fn detail_fields(self) -> FieldSet {
        let is_of_customers = |field: &Field| self == Self::Orders || field.name_in_customer().is_some();
        Field::ALL.into_iter().filter(is_of_customers).fold(FieldSet::default(), FieldSet::with)
    }

    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Customers => "customers",
        }
    }

    /// The name of a field.
    pub(super) fn field_name(self, field: Field) -> &'static str {
        match self {
            Self::Orders => field.name(),
            Self::Customers => field.name_in_customer().unwrap_or_else(|| field.name()),
        }
    }
}

impl Protocol {
    /// The fields that its lists cannot state.
    pub(super) fn unknown_in_lists(self, subject: Subject) -> FieldSet {
        match (self, subject) {
            (Self::Json, _) | (_, Subject::Orders) => FieldSet::default(),
            (Self::Legacy(Dialect::Network), Subject::Customers) => FieldSet::of(&[Field::RegisteredAt]),
            (Self::Legacy(Dialect::Provider), Subject::Customers) => FieldSet::of(&[Field::Email]),
        }
    }

    /// The fields that its details cannot state.
    pub(super) fn unknown_in_details(self, subject: Subject) -> FieldSet {
        match (self, subject) {
            (Self::Json, _) => FieldSet::default(),
            (Self::Legacy(_), Subject::Orders) => {
                FieldSet::of(&[Field::ProviderId, Field::ServiceId, Field::MemberId, Field::RegisteredAt])
            }
            (Self::Legacy(Dialect::Network), Subject::Customers) => FieldSet::of(&[Field::RegisteredAt]),
            (Self::Legacy(Dialect::Provider), Subject::Customers) => FieldSet::of(&[Field::MemberId, Field::RegisteredAt]),
        }
    }
}

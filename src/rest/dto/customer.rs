//! Customers.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::masked::{IdentityNumberText, PrivateText, masked, open_text};
use super::{Time, UnreadableItem};
use crate::model::{self, CustomerId, Person, Pii, PiiAccess};

/// An end customer. Which members are present depends on the route and on the upstream.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Customer)]
pub(in crate::rest) struct Customer<'a> {
    /// Customer id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = true, nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 18020)]
    id: Option<u64>,
    /// Access point of the customer: digits or a code. Not every customer has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "KC0101A06")]
    access_id: Option<&'a str>,
    /// Swedish personal identity number: 10, 12 or 14 digits. The upstream masks it in some answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    personal_identity_number: Option<IdentityNumberText<'a>>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Tolvan")]
    first_name: Option<Cow<'a, str>>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Tolvansson")]
    last_name: Option<Cow<'a, str>>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<PrivateText<'a>>,
    /// Street address. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    address: Option<PrivateText<'a>>,
    /// Postal code. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "01234")]
    postal_code: Option<&'a str>,
    /// City. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Åsele")]
    city: Option<Cow<'a, str>>,
    /// Phone number. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone: Option<PrivateText<'a>>,
    /// Name of the dwelling in the network. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    premise: Option<PrivateText<'a>>,
    /// Message that the customer left with the order. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<PrivateText<'a>>,
    /// Membership number in the network. Returned by `GET /customers/{id}` for network operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "1234")]
    member_id: Option<Cow<'a, str>>,
    /// Time of registration. Returned by `GET /customers` for service providers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    registered_at: Option<Time>,
}

impl<'a> Customer<'a> {
    /// Masks the customer according to `pii_access`.
    pub(in crate::rest) fn new(customer: &'a model::Customer, pii_access: PiiAccess) -> Self {
        Self::with_person(Some(customer.id), &customer.person, pii_access)
    }

    /// The customer of an order, whose id may be unknown.
    pub(super) fn with_person(id: Option<CustomerId>, person: &'a Person, pii_access: PiiAccess) -> Self {
        Self {
            id: id.map(CustomerId::get),
            access_id: person.access_id.as_ref().map(Pii::expose),
            personal_identity_number: masked(person.personal_identity_number.as_ref(), pii_access),
            first_name: open_text(person.first_name.as_ref().map(Pii::expose), pii_access),
            last_name: open_text(person.last_name.as_ref().map(Pii::expose), pii_access),
            email: masked(person.email.as_ref(), pii_access),
            address: masked(person.address.as_ref(), pii_access),
            postal_code: person.postal_code.as_ref().map(Pii::expose),
            city: open_text(person.city.as_ref().map(Pii::expose), pii_access),
            phone: masked(person.phone.as_ref(), pii_access),
            premise: masked(person.premise.as_ref(), pii_access),
            message: masked(person.message.as_ref(), pii_access),
            member_id: open_text(person.member_id.as_ref().map(Pii::expose), pii_access),
            registered_at: person.registered_at.map(Time),
        }
    }

    /// Whether no member is present.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The schema of the customer of an order: a [`Customer`] whose id may be absent.
pub(super) struct OrderCustomer;

impl PartialSchema for OrderCustomer {
    fn schema() -> RefOr<Schema> {
        let mut schema = Customer::schema();
        if let RefOr::T(Schema::Object(customer)) = &mut schema {
            customer.required.clear();
            customer.description = Some(
                "The customer of an order. `id` is absent when the upstream has none for this order, or one that is not an id."
                    .to_owned(),
            );
        }
        schema
    }
}

impl ToSchema for OrderCustomer {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Customer::schemas(schemas);
    }
}

/// A list of customers. It may be streamed; a truncated stream is invalid JSON.
#[derive(ToSchema)]
#[schema(as = CustomerList, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the schema is used: list::Encoder writes the items one by one")]
pub(in crate::rest) struct CustomerList {
    /// The customers: in upstream order, or by id with `limit`.
    items: Vec<Customer<'static>>,
    /// Cursor of the next page. Absent on the last page and without `limit`.
    #[schema(required = false)]
    next_cursor: String,
    /// Items that could not be decoded. Absent when there are none.
    #[schema(required = false)]
    unreadable: Vec<UnreadableItem>,
}

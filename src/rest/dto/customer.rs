//! Customers.

use serde::Serialize;
use utoipa::ToSchema;

use super::masked::{IdentityNumberText, PrivateText, masked};
use super::{Time, Unreadable};
use crate::model::{self, Pii, PiiAccess};

/// An end customer. Which members are there depends on the route and on what the order system knows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Customer)]
pub(in crate::rest) struct Customer<'a> {
    /// The customer's number.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 18020)]
    id: u64,
    /// The access point: digits or a code. Not every customer has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "KC0101A06")]
    access_id: Option<&'a str>,
    /// Swedish personal identity number: 10, 12 or 14 digits; the order system masks it in some answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    personal_identity_number: Option<IdentityNumberText<'a>>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Tolvan")]
    first_name: Option<&'a str>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Tolvansson")]
    last_name: Option<&'a str>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<PrivateText<'a>>,
    /// Street and number. Details only.
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
    city: Option<&'a str>,
    /// Phone number. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone: Option<PrivateText<'a>>,
    /// The network's own name of the flat or house. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    premise: Option<PrivateText<'a>>,
    /// What the customer wrote when ordering. Details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<PrivateText<'a>>,
    /// The network's membership number. Only `GET /customers/{id}` of network operators knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "1234")]
    member_id: Option<&'a str>,
    /// When the customer was registered. Only `GET /customers` of service providers knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    registered_at: Option<Time>,
}

impl<'a> Customer<'a> {
    /// The customer as somebody sees them.
    pub(in crate::rest) fn new(customer: &'a model::Customer, sight: PiiAccess) -> Self {
        Self {
            id: customer.id.get(),
            access_id: customer.access_id.as_ref().map(Pii::expose),
            personal_identity_number: masked(customer.personal_identity_number.as_ref(), sight),
            first_name: customer.first_name.as_ref().map(Pii::expose),
            last_name: customer.last_name.as_ref().map(Pii::expose),
            email: masked(customer.email.as_ref(), sight),
            address: masked(customer.address.as_ref(), sight),
            postal_code: customer.postal_code.as_ref().map(Pii::expose),
            city: customer.city.as_ref().map(Pii::expose),
            phone: masked(customer.phone.as_ref(), sight),
            premise: masked(customer.premise.as_ref(), sight),
            message: masked(customer.message.as_ref(), sight),
            member_id: customer.member_id.as_ref().map(Pii::expose),
            registered_at: customer.registered_at.map(Time),
        }
    }
}

/// A list of customers. It is written item by item; a list that was broken off is no JSON.
#[derive(ToSchema)]
#[schema(as = CustomerList, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of what rest::list writes")]
pub(in crate::rest) struct CustomerList {
    /// The customers in the order system's order.
    items: Vec<Customer<'static>>,
    /// Leads to the next page; absent on the last one and without `limit`.
    #[schema(required = false)]
    next_cursor: String,
    /// Items that could not be read; absent when there are none.
    #[schema(required = false)]
    unreadable: Vec<Unreadable>,
}

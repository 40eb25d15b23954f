//! The table of calls: what retries, connection reuse and recognition of answers follow from.
//!
//! Every call is an HTTP GET, the two that write included, so nothing may be concluded from the verb.

use std::fmt;

/// What a call does to the order system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Nothing; it may be repeated.
    Safe,
    /// Writes; a repetition ends in the same state.
    Idempotent,
    /// Writes; a repetition writes again.
    NonIdempotent,
}

/// The methods of the legacy API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Orders,
    OrderInfo,
    Customers,
    CustomerInfo,
    SetStatus,
    AddMessage,
    ApiLogin,
}

/// What is known of one method.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MethodSpec {
    /// Which one it is.
    pub(crate) method: Method,
    /// The value of the `method` parameter.
    pub(crate) name: &'static str,
    /// Names of the element that holds the answer.
    pub(crate) payload: &'static [&'static str],
    /// The elements of an answer that carry data, directly in the payload element or in its `response`.
    pub(crate) elements: &'static [&'static str],
    /// What it does.
    pub(crate) idempotency: Idempotency,
    /// Whether it names one order or customer, which may not exist.
    pub(crate) names_entity: bool,
}

/// Orders placed since a date.
pub(crate) static ORDERS: MethodSpec = MethodSpec {
    method: Method::Orders,
    name: "orders",
    payload: &["orders", "serviceguide"],
    elements: &["order"],
    idempotency: Idempotency::Safe,
    names_entity: false,
};
/// One order with its log.
pub(crate) static ORDER_INFO: MethodSpec = MethodSpec {
    method: Method::OrderInfo,
    name: "order_info",
    payload: &["order_info"],
    elements: &["orderinfo", "customer", "logs", "serviceinfo"],
    idempotency: Idempotency::Safe,
    names_entity: true,
};
/// Customers new or edited since a date.
pub(crate) static CUSTOMERS: MethodSpec = MethodSpec {
    method: Method::Customers,
    name: "customers",
    payload: &["customers"],
    elements: &["customer"],
    idempotency: Idempotency::Safe,
    names_entity: false,
};
/// One customer.
pub(crate) static CUSTOMER_INFO: MethodSpec = MethodSpec {
    method: Method::CustomerInfo,
    name: "customer_info",
    payload: &["customer_info"],
    elements: &["customer", "data"],
    idempotency: Idempotency::Safe,
    names_entity: true,
};
/// Gives an order a status.
pub(crate) static SET_STATUS: MethodSpec = MethodSpec {
    method: Method::SetStatus,
    name: "set_status",
    payload: &["set_status"],
    elements: &[],
    idempotency: Idempotency::Idempotent,
    names_entity: true,
};
/// Adds a row to an order's log.
pub(crate) static ADD_MESSAGE: MethodSpec = MethodSpec {
    method: Method::AddMessage,
    name: "add_message",
    payload: &["add_message"],
    elements: &[],
    idempotency: Idempotency::NonIdempotent,
    names_entity: true,
};

/// Gives a hash that later calls are known by; the provider dialect only.
pub(crate) static API_LOGIN: MethodSpec = MethodSpec {
    method: Method::ApiLogin,
    name: "api_login",
    payload: &["api_login"],
    elements: &["hash_key"],
    idempotency: Idempotency::Safe,
    names_entity: false,
};

/// Every call.
pub(crate) static METHODS: [&MethodSpec; 7] =
    [&ORDERS, &ORDER_INFO, &CUSTOMERS, &CUSTOMER_INFO, &SET_STATUS, &ADD_MESSAGE, &API_LOGIN];

impl MethodSpec {
    /// The call with this `method` parameter.
    pub(crate) fn parse(name: &str) -> Option<&'static Self> {
        METHODS.into_iter().find(|call| call.name == name)
    }

    /// Whether an element of this name holds the answer of this call.
    pub(crate) fn is_payload(&self, element: &[u8]) -> bool {
        self.payload.iter().any(|name| name.as_bytes() == element)
    }

    /// Whether an element bears the name of another method. No answer of this one has such an element around it.
    pub(crate) fn is_foreign(&self, element: &[u8]) -> bool {
        METHODS.into_iter().any(|call| call != self && call.name.as_bytes() == element)
    }
}

impl fmt::Display for MethodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

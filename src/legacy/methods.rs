//! The table of legacy methods: retries, connection reuse and the recognition of answers follow from it.
//!
//! Every call is an HTTP GET, also those of the two methods that write, so nothing may be concluded from the verb.

use std::fmt;

use crate::backend::{Call, CallKind};

/// What a repeated call does to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// It reads; a repetition changes nothing.
    Safe,
    /// It writes; a repetition leads to the same state.
    Idempotent,
    /// It writes; a repetition writes again.
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

/// One entry of the method table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MethodSpec {
    pub(crate) method: Method,
    /// The value of the `method` parameter.
    pub(crate) name: &'static str,
    /// The names that the method element of an answer may have: the element that contains the payload.
    pub(crate) method_elements: &'static [&'static str],
    /// The payload elements that carry data.
    pub(crate) data_elements: &'static [&'static str],
    pub(crate) idempotency: Idempotency,
    /// Whether its parameters name one order or customer, which may not exist.
    pub(crate) names_entity: bool,
}

/// Lists the orders placed on or after a date.
pub(crate) static ORDERS: MethodSpec = MethodSpec {
    method: Method::Orders,
    name: "orders",
    method_elements: &["orders", "serviceguide"],
    data_elements: &["order"],
    idempotency: Idempotency::Safe,
    names_entity: false,
};
/// Reads one order with its log.
pub(crate) static ORDER_INFO: MethodSpec = MethodSpec {
    method: Method::OrderInfo,
    name: "order_info",
    method_elements: &["order_info"],
    data_elements: &["orderinfo", "customer", "logs", "serviceinfo"],
    idempotency: Idempotency::Safe,
    names_entity: true,
};
/// Lists the customers created or edited on or after a date.
pub(crate) static CUSTOMERS: MethodSpec = MethodSpec {
    method: Method::Customers,
    name: "customers",
    method_elements: &["customers"],
    data_elements: &["customer"],
    idempotency: Idempotency::Safe,
    names_entity: false,
};
/// Reads one customer.
pub(crate) static CUSTOMER_INFO: MethodSpec = MethodSpec {
    method: Method::CustomerInfo,
    name: "customer_info",
    method_elements: &["customer_info"],
    data_elements: &["customer", "data"],
    idempotency: Idempotency::Safe,
    names_entity: true,
};
/// Sets the status of an order.
pub(crate) static SET_STATUS: MethodSpec = MethodSpec {
    method: Method::SetStatus,
    name: "set_status",
    method_elements: &["set_status"],
    data_elements: &[],
    idempotency: Idempotency::Idempotent,
    names_entity: true,
};
/// Adds an entry to an order's log.
pub(crate) static ADD_MESSAGE: MethodSpec = MethodSpec {
    method: Method::AddMessage,
    name: "add_message",
    method_elements: &["add_message"],
    data_elements: &[],
    idempotency: Idempotency::NonIdempotent,
    names_entity: true,
};

/// Returns the session hash that authenticates later calls; only in the provider dialect.
pub(crate) static API_LOGIN: MethodSpec = MethodSpec {
    method: Method::ApiLogin,
    name: "api_login",
    method_elements: &["api_login"],
    data_elements: &["hash_key"],
    idempotency: Idempotency::Safe,
    names_entity: false,
};

/// Every method.
pub(crate) static METHODS: [&MethodSpec; 7] =
    [&ORDERS, &ORDER_INFO, &CUSTOMERS, &CUSTOMER_INFO, &SET_STATUS, &ADD_MESSAGE, &API_LOGIN];

impl MethodSpec {
    /// The method with this name.
    pub(crate) fn parse(name: &str) -> Option<&'static Self> {
        METHODS.into_iter().find(|method| method.name == name)
    }

    /// What a call of it may use of the upstream's limit.
    pub(crate) const fn call(&self) -> Call {
        let kind = match (self.idempotency, self.method) {
            (Idempotency::Idempotent | Idempotency::NonIdempotent, _) => CallKind::Write,
            (Idempotency::Safe, Method::Orders | Method::Customers) => CallKind::List,
            (Idempotency::Safe, _) => CallKind::Read,
        };
        Call { name: self.name, kind }
    }

    /// Whether the method element may have this name.
    pub(crate) fn is_method_element(&self, element: &[u8]) -> bool {
        self.method_elements.iter().any(|name| name.as_bytes() == element)
    }

    /// Whether this is the name of another method. No answer of this method has an element with that name in its envelope.
    pub(crate) fn is_foreign(&self, element: &[u8]) -> bool {
        METHODS.into_iter().any(|method| method != self && method.name.as_bytes() == element)
    }
}

impl fmt::Display for MethodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

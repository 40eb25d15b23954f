//! The table of calls: what retries, connection reuse and recognition of answers follow from.
//!
//! Every call is an HTTP GET, the two that write included, so nothing may be concluded from the verb.

use std::fmt;

/// What a call does to the order system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing; it may be repeated.
    Read,
    /// Writes; a repetition ends in the same state.
    WriteRepeatable,
    /// Writes; a repetition writes again.
    WriteOnce,
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
pub(crate) struct Call {
    /// Which one it is.
    pub(crate) method: Method,
    /// The value of the `method` parameter.
    pub(crate) name: &'static str,
    /// Names of the element that holds the answer.
    pub(crate) payload: &'static [&'static str],
    /// The elements of an answer that carry data, directly in the payload element or in its `response`.
    pub(crate) parts: &'static [&'static str],
    /// What it does.
    pub(crate) effect: Effect,
    /// Whether it names one order or customer, which may not exist.
    pub(crate) names_entity: bool,
}

/// Orders placed since a date.
pub(crate) static ORDERS: Call = Call {
    method: Method::Orders,
    name: "orders",
    payload: &["orders", "serviceguide"],
    parts: &["order"],
    effect: Effect::Read,
    names_entity: false,
};
/// One order with its log.
pub(crate) static ORDER_INFO: Call = Call {
    method: Method::OrderInfo,
    name: "order_info",
    payload: &["order_info"],
    parts: &["orderinfo", "customer", "logs", "serviceinfo"],
    effect: Effect::Read,
    names_entity: true,
};
/// Customers new or edited since a date.
pub(crate) static CUSTOMERS: Call = Call {
    method: Method::Customers,
    name: "customers",
    payload: &["customers"],
    parts: &["customer"],
    effect: Effect::Read,
    names_entity: false,
};
/// One customer.
pub(crate) static CUSTOMER_INFO: Call = Call {
    method: Method::CustomerInfo,
    name: "customer_info",
    payload: &["customer_info"],
    parts: &["customer", "data"],
    effect: Effect::Read,
    names_entity: true,
};
/// Gives an order a status.
pub(crate) static SET_STATUS: Call = Call {
    method: Method::SetStatus,
    name: "set_status",
    payload: &["set_status"],
    parts: &[],
    effect: Effect::WriteRepeatable,
    names_entity: true,
};
/// Adds a row to an order's log.
pub(crate) static ADD_MESSAGE: Call = Call {
    method: Method::AddMessage,
    name: "add_message",
    payload: &["add_message"],
    parts: &[],
    effect: Effect::WriteOnce,
    names_entity: true,
};

/// Gives a hash that later calls are known by; the provider dialect only.
pub(crate) static API_LOGIN: Call = Call {
    method: Method::ApiLogin,
    name: "api_login",
    payload: &["api_login"],
    parts: &["hash_key"],
    effect: Effect::Read,
    names_entity: false,
};

/// Every call.
pub(crate) static CALLS: [&Call; 7] = [&ORDERS, &ORDER_INFO, &CUSTOMERS, &CUSTOMER_INFO, &SET_STATUS, &ADD_MESSAGE, &API_LOGIN];

impl Call {
    /// The call with this `method` parameter.
    pub(crate) fn parse(name: &str) -> Option<&'static Self> {
        CALLS.into_iter().find(|call| call.name == name)
    }

    /// Whether an element of this name holds the answer of this call.
    pub(crate) fn is_payload(&self, element: &[u8]) -> bool {
        self.payload.iter().any(|name| name.as_bytes() == element)
    }

    /// Whether an element bears the name of another method. No answer of this one has such an element around it.
    pub(crate) fn is_foreign(&self, element: &[u8]) -> bool {
        CALLS.into_iter().any(|call| call != self && call.name.as_bytes() == element)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

//! Which orders of a list are wanted: the order system knows a date and nothing else.

use jiff::Timestamp;

use crate::model::{CustomerId, Extensible, Order, OrderedBy};
use crate::rest::extract::OrderListQuery;

/// What an order must be like.
#[derive(Debug, Clone)]
pub(in crate::rest) struct Filter {
    /// Placed at this instant or later.
    pub(in crate::rest) since: Timestamp,
    /// Placed before this instant.
    until: Option<Timestamp>,
    /// Of one of these statuses; any, when there is none.
    status: Vec<String>,
    kind: Option<String>,
    customer_id: Option<CustomerId>,
}

impl From<OrderListQuery> for Filter {
    fn from(query: OrderListQuery) -> Self {
        let OrderListQuery { since, until, status, kind, customer_id, .. } = query;
        Self { since, until, status, kind, customer_id }
    }
}

impl Filter {
    /// Whether an order is wanted. In the repeated autumn hour its later reading counts for `since`, so that none is missed;
    /// an order without a readable time passes.
    pub(in crate::rest) fn includes(&self, order: &Order) -> bool {
        let is_in_time =
            order.ordered_at.is_none_or(|at| at.latest() >= self.since && self.until.is_none_or(|until| at.earliest() < until));
        let status = order.status.as_ref().map(Extensible::as_str);
        let customer = order.customer.as_ref().map(OrderedBy::id);
        is_in_time
            && (self.status.is_empty() || self.status.iter().any(|wanted| Some(wanted.as_str()) == status))
            && (self.kind.is_none() || self.kind.as_deref() == order.kind.as_deref())
            && (self.customer_id.is_none() || self.customer_id == customer)
    }
}

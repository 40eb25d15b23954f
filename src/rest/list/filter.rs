//! The filters of `GET /orders`. The upstream filters by date only, so the gateway applies all filters itself.

use jiff::Timestamp;

use crate::model::{CustomerId, ListedOrder};
use crate::rest::extract::OrderListQuery;

/// The filters of a list of orders.
#[derive(Debug, Clone)]
pub(in crate::rest) struct Filter {
    /// Inclusive lower bound of the time an order was placed.
    pub(in crate::rest) since: Timestamp,
    /// Exclusive upper bound.
    until: Option<Timestamp>,
    /// Accepted statuses; empty accepts any.
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
    /// Whether an order passes all filters. An order without a readable time passes both bounds. In the repeated autumn hour
    /// the later instant counts for `since` and the earlier one for `until`, so that no order is missed.
    pub(in crate::rest) fn includes(&self, order: &ListedOrder) -> bool {
        let is_in_time = order
            .ordered_at()
            .is_none_or(|(earliest, latest)| latest >= self.since && self.until.is_none_or(|until| earliest < until));
        is_in_time
            && (self.status.is_empty() || self.status.iter().any(|accepted| Some(accepted.as_str()) == order.status()))
            && (self.kind.is_none() || self.kind.as_deref() == order.kind())
            && (self.customer_id.is_none() || self.customer_id == order.customer_id())
    }
}

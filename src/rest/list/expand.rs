//! `expand=detail`: completes the orders of a page with their details.

use futures_util::{StreamExt, stream};

use super::ListItem;
use crate::backend::RequestContext;
use crate::model::{HeldBytes, ListedOrder, Order, OrderedBy, PiiAccess};
use crate::problem::{Code, Problem, ProblemContext};
use crate::resilience::Reservation;
use crate::rest::etag::EntityTag;
use crate::rest::state::RequestState;
use crate::rest::{dto, etag, json};

/// The maximum `limit` with `expand=detail`.
pub(in crate::rest) const MAX_EXPANDED: usize = 200;
/// Concurrent reads for one page. A page must not take all permits of the upstream from other requests.
const CONCURRENCY: usize = 8;

/// A listed order with its details, or with the problem that prevented reading them.
#[derive(Debug)]
pub(in crate::rest) struct Expanded {
    order: Order,
    /// Of the listed status and the log just read. If these do not belong together, no change with the tag is applied.
    status_tag: Option<EntityTag>,
    problem: Option<(Problem, ProblemContext)>,
    /// What the details hold.
    _memory: Option<Reservation>,
}

impl HeldBytes for Expanded {
    fn held_bytes(&self) -> usize {
        /// More than the JSON of a problem.
        const PROBLEM_BYTES: usize = 1024;
        self.order.held_bytes() + self.problem.as_ref().map_or(0, |_| PROBLEM_BYTES)
    }
}

impl Expanded {
    /// The order's id, if its details were read: only these contain PII, which the audit log records.
    pub(in crate::rest) fn disclosed_id(&self) -> Option<u64> {
        self.problem.is_none().then(|| self.order.id.get())
    }
}

impl ListItem for Expanded {
    fn write(&self, pii_access: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let problem = self.problem.as_ref().map(|(problem, context)| problem.details(context));
        json::write(&dto::Order::new(&self.order, pii_access).with_status_tag(self.status_tag).with_problem(problem), out)
    }
}

/// Reads the details of all orders and keeps their sequence. They share the deadline of `context`; a read that fails, or for
/// which no time is left, becomes the `problem` of its order.
pub(in crate::rest) async fn expand(state: &RequestState, context: &RequestContext, orders: Vec<ListedOrder>) -> Vec<Expanded> {
    let expand_one = |order: ListedOrder| async move {
        let order = order.into_order();
        let details = state.backend.order_info(context, order.id).await;
        match details.and_then(|details| Ok(details.value.into_owned()?)) {
            Ok((details, memory)) => {
                let order = merge(order, details);
                let status_tag = Some(etag::status_tag(state.principal().upstream(), &order));
                Expanded { order, status_tag, problem: None, _memory: memory }
            }
            Err(error) => {
                let problem = Problem::from_read_error(&error, Code::OrderNotFound, state.pii_access());
                let context = state.problem_context(&format!("/orders/{}", order.id));
                Expanded { order, status_tag: None, problem: Some((problem, context)), _memory: None }
            }
        }
    };
    stream::iter(orders).map(expand_one).buffered(CONCURRENCY).collect().await
}

/// Completes a listed order with its details. Values of the list win, so that an order reads the same with and without details.
fn merge(listed: Order, details: Order) -> Order {
    let customer = match (listed.customer, details.customer) {
        // The customer of the details may have no id, but not another one.
        (Some(listed), Some(details)) if details.id.is_none() || details.id == listed.id => {
            Some(OrderedBy { person: details.person, ..listed })
        }
        (listed, details) => listed.or(details),
    };
    let mut order = Order { customer, ..details };
    prefer(listed.kind, &mut order.kind);
    prefer(listed.network_name, &mut order.network_name);
    prefer(listed.service.id, &mut order.service.id);
    prefer(listed.service.uid, &mut order.service.uid);
    prefer(listed.service.name, &mut order.service.name);
    prefer(listed.service.category, &mut order.service.category);
    prefer(listed.provider.id, &mut order.provider.id);
    prefer(listed.provider.name, &mut order.provider.name);
    prefer(listed.status, &mut order.status);
    prefer(listed.ordered_at, &mut order.ordered_at);
    prefer(listed.delivery, &mut order.delivery);
    order.id = listed.id;
    order
}

/// Replaces a value of the details when the list has one.
fn prefer<T>(listed: Option<T>, details: &mut Option<T>) {
    if listed.is_some() {
        *details = listed;
    }
}

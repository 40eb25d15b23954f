//! Fills the orders of a page with what only details tell.

use futures_util::{StreamExt, stream};

use super::ListItem;
use crate::backend::RequestContext;
use crate::model::{Order, OrderedBy, PiiAccess};
use crate::problem::{Code, Problem, ProblemContext};
use crate::rest::dto;
use crate::rest::json;
use crate::rest::state::RequestState;

/// The greatest page that can be filled.
pub(in crate::rest) const MAX_EXPANDED: usize = 200;
/// How many details of one page are asked for at once. Others want to be served too.
const AT_ONCE: usize = 8;

/// An order of a list with its details, or with the reason why they are missing.
#[derive(Debug)]
pub(in crate::rest) struct Expanded {
    order: Order,
    problem: Option<(Problem, ProblemContext)>,
}

impl Expanded {
    /// The order's number, when its details are there.
    pub(in crate::rest) fn shown(&self) -> Option<u64> {
        self.problem.is_none().then(|| self.order.id.get())
    }
}

impl ListItem for Expanded {
    fn write(&self, sight: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let problem = self.problem.as_ref().map(|(problem, occurrence)| problem.details(occurrence));
        json::write(&dto::Order::new(&self.order, sight).with_problem(problem), out)
    }
}

/// The same orders in the same order. The deadline of `context` is for all of them; what it leaves no time for fails.
pub(in crate::rest) async fn expand(asked: &RequestState, context: &RequestContext, orders: Vec<Order>) -> Vec<Expanded> {
    let details = |order: Order| async move {
        match asked.backend.order_info(context, order.id).await {
            Ok(details) => Expanded { order: merge(order, details.value), problem: None },
            Err(error) => {
                let occurrence = asked.problem_context(&format!("/orders/{}", order.id));
                Expanded { order, problem: Some((Problem::read(&error, Code::OrderNotFound), occurrence)) }
            }
        }
    };
    stream::iter(orders).map(details).buffered(AT_ONCE).collect().await
}

/// What both tell is taken from the list, so that an order looks the same there with and without details.
fn merge(listed: Order, details: Order) -> Order {
    let customer = match (listed.customer, details.customer) {
        (Some(OrderedBy::Id(id)), Some(OrderedBy::Customer(customer))) if customer.id == id => {
            Some(OrderedBy::Customer(customer))
        }
        (listed, details) => listed.or(details),
    };
    let mut order = Order { customer, ..details };
    or(listed.kind, &mut order.kind);
    or(listed.network_name, &mut order.network_name);
    or(listed.service.id, &mut order.service.id);
    or(listed.service.uid, &mut order.service.uid);
    or(listed.service.name, &mut order.service.name);
    or(listed.service.category, &mut order.service.category);
    or(listed.provider.id, &mut order.provider.id);
    or(listed.provider.name, &mut order.provider.name);
    order.id = listed.id;
    order.status = listed.status.or(order.status);
    order.ordered_at = listed.ordered_at.or(order.ordered_at);
    order.delivery = listed.delivery.or(order.delivery);
    order
}

/// What the list tells, else what the details tell.
fn or<T>(listed: Option<T>, details: &mut Option<T>) {
    *details = listed.or(details.take());
}

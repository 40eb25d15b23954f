//! `GET /orders`

use axum::extract::State;
use axum::response::Response;

use crate::model::{Open, Order};
use crate::rest::extract::{AcceptsJson, OrderListQuery};
use crate::rest::list;
use crate::rest::openapi::examples;
use crate::rest::problem::{Code, Problem, ReadProblems, RequestProblems};
use crate::rest::router::{Asked, Gateway};
use crate::rest::wire;

/// List orders
///
/// Orders placed since a time, as they come from the order system. The list streams: it begins with the first item, and one
/// that breaks off is no JSON. `network`, `messages`, `details` and most of `customer` are known to `GET /orders/{id}` only.
#[utoipa::path(
    get,
    path = "/orders",
    tag = "Orders",
    params(OrderListQuery),
    responses(
        (status = 200, description = "The orders", body = wire::OrderList, example = json!(examples::order_list())),
        RequestProblems,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_orders(
    State(gateway): State<Gateway>,
    asked: Asked,
    _: AcceptsJson,
    query: OrderListQuery,
) -> Result<Response, Problem> {
    let since = gateway.zone().date(query.since);
    let orders = gateway.backend().orders(&asked.for_list(&gateway), since).await;
    let orders = orders.map_err(|error| Problem::read(&error, Code::RouteNotFound))?;
    list::respond::<_, wire::Order>(orders, move |order| query.includes(order)).await
}

impl OrderListQuery {
    /// Whether an order is asked for. In the repeated autumn hour its later reading counts for `since`, so that none is missed;
    /// an order without a readable time passes.
    fn includes(&self, order: &Order) -> bool {
        let in_time =
            order.ordered_at.is_none_or(|at| at.latest() >= self.since && self.until.is_none_or(|until| at.earliest() < until));
        let status = order.status.as_ref().map(Open::as_str);
        let customer = order.customer.as_ref().map(|customer| customer.id);
        in_time
            && (self.status.is_empty() || self.status.iter().any(|wanted| Some(wanted.as_str()) == status))
            && (self.kind.is_none() || self.kind == order.kind)
            && (self.customer_id.is_none() || self.customer_id == customer)
    }
}

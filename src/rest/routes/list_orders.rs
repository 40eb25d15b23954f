//! `GET /orders`

use axum::response::Response;

use crate::rest::extract::{AcceptsJson, OrderListQuery};
use crate::rest::filter::Filter;
use crate::rest::list;
use crate::rest::openapi::examples;
use crate::rest::problem::{Problem, ReadProblems, RequestProblems};
use crate::rest::router::Asked;
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
pub(in crate::rest) async fn list_orders(asked: Asked, _: AcceptsJson, query: OrderListQuery) -> Result<Response, Problem> {
    let filter = Filter::from(query);
    let since = asked.zone.date(filter.since);
    let orders = asked.backend.orders(&asked.for_list(), since).await;
    let orders = orders.map_err(|error| Problem::list(&error))?;
    list::respond(orders, list::Form::Json, move |order| filter.includes(order)).await
}

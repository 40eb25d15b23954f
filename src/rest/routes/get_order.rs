//! `GET /orders/{id}`

use axum::response::Response;

use super::json;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath};
use crate::rest::openapi::examples;
use crate::rest::problem::{Code, OrderNotFound, Problem, ReadProblems, RequestProblems};
use crate::rest::router::Asked;
use crate::rest::wire;

/// Get an order
///
/// One order with its customer, its log and further facts. `provider.id` is known to `GET /orders` only.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "Orders",
    params(OrderPath),
    responses(
        (status = 200, description = "The order", body = wire::Order, example = json!(examples::order())),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_order(asked: Asked, path: OrderPath, _: AcceptsJson, _: NoQuery) -> Result<Response, Problem> {
    let order = asked.backend.order_info(&asked.context, path.id).await;
    let order = order.map_err(|error| Problem::read(&error, Code::OrderNotFound))?;
    Ok(json(&wire::Order::from(&order)))
}

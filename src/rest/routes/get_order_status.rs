//! `GET /orders/{id}/status`

use axum::response::Response;

use super::json;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath};
use crate::rest::problem::{Code, OrderNotFound, Problem, ReadProblems, RequestProblems};
use crate::rest::router::Asked;
use crate::rest::wire;

/// Get the status of an order
///
/// How far the order has come.
#[utoipa::path(
    get,
    path = "/orders/{id}/status",
    tag = "Orders",
    params(OrderPath),
    responses(
        (status = 200, description = "The status", body = wire::StatusOfOrder),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_order_status(
    asked: Asked,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
) -> Result<Response, Problem> {
    let order = asked.backend.order_info(&asked.context, path.id).await;
    let order = order.map_err(|error| Problem::read(&error, Code::OrderNotFound))?;
    Ok(json(&wire::StatusOfOrder::from(order.status.as_ref())))
}

//! `GET /orders/{id}/status`

use axum::response::Response;
use http::HeaderMap;

use crate::rest::conditional::status_with_tag;
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
        (
            status = 200,
            description = "The status",
            body = wire::StatusOfOrder,
            headers(("ETag" = String, description = "Stands for the status and for time and type of every row in the log; for `If-Match` and `If-None-Match`.")),
        ),
        (status = 304, description = "The status, and time and type of every row in the log, are those that `If-None-Match` names."),
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
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = asked.backend.order_info(&asked.context, path.id).await;
    let order = order.map_err(|error| Problem::read(&error, Code::OrderNotFound))?;
    Ok(status_with_tag(&headers, asked.caller().upstream(), &order))
}

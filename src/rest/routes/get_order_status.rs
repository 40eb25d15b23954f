//! `GET /orders/{id}/status`

use axum::response::Response;
use http::HeaderMap;

use crate::problem::{Code, Problem};
use crate::rest::conditional::status_with_etag;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath};
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

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
            body = dto::OrderStatusBody,
            headers(("ETag" = String, description = "Stands for the status and for time and type of every row in the log; for `If-Match` and `If-None-Match`.")),
        ),
        (status = 304, description = "The status, and time and type of every row in the log, are those that `If-None-Match` names."),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_order_status(
    asked: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = asked.backend.order_info(&asked.context, path.id).await;
    let order = order.map_err(|error| Problem::read(&error, Code::OrderNotFound))?.value;
    Ok(status_with_etag(&headers, asked.principal().upstream(), &order))
}

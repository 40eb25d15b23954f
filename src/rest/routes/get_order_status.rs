//! `GET /orders/{id}/status`

use axum::response::Response;

use crate::problem::Problem;
use crate::rest::conditional::status_with_etag;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, IfNoneMatchHeader, NoQuery, OrderPath, RequestHeaders};
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// Get the status of an order
///
/// Order status. Its ETag is the one for `If-Match` when the status is changed.
#[utoipa::path(
    get,
    path = "/orders/{id}/status",
    tag = "Orders",
    params(OrderPath, IfNoneMatchHeader),
    responses(
        (
            status = 200,
            description = "The status",
            body = dto::CurrentStatus,
            headers((
                "ETag" = String,
                description = "Hash of the status and of time and type of every log entry, for `If-Match` and `If-None-Match`."
            )),
        ),
        (
            status = 304,
            description = "The status and the log are unchanged: `If-None-Match` lists their ETag.",
            headers(("ETag" = String, description = "The entity tag that `If-None-Match` lists."))
        ),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_order_status(
    state: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    RequestHeaders(headers): RequestHeaders,
) -> Result<Response, Problem> {
    let order = state.read_order(path.id).await?;
    Ok(status_with_etag(&headers, state.principal(), &order))
}

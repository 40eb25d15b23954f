//! `GET /orders/{id}`

use axum::response::Response;

use crate::model::HeldBytes;
use crate::problem::Problem;
use crate::rest::conditional::json_with_etag;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath, RequestHeaders};
use crate::rest::json;
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// Get an order
///
/// One order with its customer, log and details. `provider.id` is returned by `GET /orders` only.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "Orders",
    params(OrderPath),
    responses(
        (
            status = 200,
            description = "The order",
            body = dto::DetailedOrder,
            headers((
                "ETag" = String,
                description = "Hash of the body. Send it in `If-None-Match` to get 304 while it is unchanged."
            )),
            example = json!(examples::order()),
        ),
        (status = 304, description = "The order is unchanged: `If-None-Match` lists its ETag."),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_order(
    state: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    RequestHeaders(headers): RequestHeaders,
) -> Result<Response, Problem> {
    let order = state.read_order(path.id).await?;
    let memory = json::reserve(&state.memory, order.held_bytes())?;
    let response = json_with_etag(&headers, &dto::Order::new(&order, state.pii_access()), memory);
    // A 304 discloses nothing.
    if response.status().is_success() {
        state.audit.record_disclosure("get_order", path.id.get());
    }
    Ok(response)
}

//! `GET /orders/{id}`

use axum::response::Response;
use http::HeaderMap;

use crate::problem::{Code, Problem};
use crate::rest::conditional::json_with_etag;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath};
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// Get an order
///
/// One order with its customer, its log and further facts. `provider.id` is known to `GET /orders` only.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "Orders",
    params(OrderPath),
    responses(
        (
            status = 200,
            description = "The order",
            body = dto::Order,
            headers(("ETag" = String, description = "Stands for exactly this body; with `If-None-Match` the answer is 304 while it is the same.")),
            example = json!(examples::order()),
        ),
        (status = 304, description = "The order is the one that `If-None-Match` names."),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_order(
    asked: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = asked.backend.order_info(&asked.context, path.id).await;
    let order = order.map_err(|error| Problem::read(&error, Code::OrderNotFound))?.value;
    let response = json_with_etag(&headers, &dto::Order::new(&order, asked.pii_access()));
    // Whoever has it already is shown nothing.
    if response.status().is_success() {
        asked.audit.log_disclosure("get_order", &[path.id.get()]);
    }
    Ok(response)
}

//! `GET /orders/{id}`

use axum::response::Response;

use crate::model::HeldBytes;
use crate::problem::Problem;
use crate::rest::conditional::json_with_etag;
use crate::rest::extract::{AcceptsJson, IfNoneMatchHeader, NoQuery, OrderPath, RequestHeaders};
use crate::rest::json;
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;
use crate::rest::{dto, etag};

/// Get an order
///
/// One order with its customer, log and details. `provider.id` is returned by `GET /orders` only. `statusTag` is the entity tag
/// for `If-Match` when the status is changed, so that no second read is necessary.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "Orders",
    params(OrderPath, IfNoneMatchHeader),
    responses(
        (
            status = 200,
            description = "The order",
            body = dto::DetailedOrder,
            headers((
                "ETag" = String,
                description = "Hash of the body. Send it in `If-None-Match` to get 304 while it is unchanged."
            )),
            links(
                ("status" = (operation_id = "get_order_status", parameters(("id" = "$request.path.id")))),
                ("changeStatus" = (operation_id = "change_order_status", parameters(("id" = "$request.path.id")))),
                ("messages" = (operation_id = "list_order_messages", parameters(("id" = "$request.path.id")))),
                ("addMessage" = (operation_id = "add_order_message", parameters(("id" = "$request.path.id")))),
                ("customer" = (operation_id = "get_customer", parameters(("id" = "$response.body#/customer/id"))))
            ),
            example = json!(examples::order()),
        ),
        (
            status = 304,
            description = "The order is unchanged: `If-None-Match` lists its ETag.",
            headers(("ETag" = String, description = "The entity tag that `If-None-Match` lists."))
        ),
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
    let status_tag = etag::status_tag(state.principal().upstream(), &order);
    let body = dto::Order::new(&order, state.pii_access()).with_status_tag(Some(status_tag));
    let response = json_with_etag(&headers, &body, memory);
    // A 304 discloses nothing.
    if response.status().is_success() {
        state.audit.record_disclosure("get_order", path.id.get());
    }
    Ok(response)
}

//! `GET /orders/{id}/messages`

use axum::response::Response;

use crate::model::HeldBytes;
use crate::problem::Problem;
use crate::rest::conditional::large_json;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath};
use crate::rest::json;
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// List the messages of an order
///
/// The log entries of the order, in log order: messages, events of the upstream, and status changes.
#[utoipa::path(
    get,
    path = "/orders/{id}/messages",
    tag = "Orders",
    params(OrderPath),
    responses(
        (status = 200, description = "The log", body = dto::MessageList),
        RequestProblems,
        OrderNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_order_messages(
    state: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
) -> Result<Response, Problem> {
    let order = state.read_order(path.id).await?;
    // At once, as for lists: this response may be sent in many pieces before its request's line is written.
    state.audit.clone().list("list_order_messages").note(path.id.get());
    let memory = json::reserve(&state.memory, order.held_bytes())?;
    let messages = order.messages.as_deref().unwrap_or_default();
    Ok(large_json(&dto::MessageList::new(messages, state.pii_access()), memory))
}

//! `GET /orders/{id}/messages`

use axum::response::Response;

use crate::problem::{Code, Problem};
use crate::rest::conditional::json;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, NoQuery, OrderPath};
use crate::rest::openapi::problem_responses::{OrderNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// List the messages of an order
///
/// The log of the order in its order: what people wrote, what the system did, and changes of status.
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
    asked: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
) -> Result<Response, Problem> {
    let order = asked.backend.order_info(&asked.context, path.id).await;
    let order = order.map_err(|error| Problem::read(&error, Code::OrderNotFound))?.value;
    asked.audit.log_disclosure("list_order_messages", &[path.id.get()]);
    Ok(json(&dto::MessageList::new(order.messages.as_deref().unwrap_or_default(), asked.pii_access())))
}

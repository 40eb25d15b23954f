//! `POST /orders/{id}/messages`

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use crate::model;
use crate::problem::Problem;
use crate::rest::conditional::json;
use crate::rest::dto::{AddedMessage, MessageInput};
use crate::rest::extract::{AcceptsJson, IdempotencyKeyHeader, JsonBody, NoQuery, OrderPath};
use crate::rest::openapi::problem_responses::{BodyProblems, MessageProblems, OrderNotFound, WriteProblems};
use crate::rest::state::RequestState;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Add a message to an order
///
/// Adds an entry to the order's log, which both the service provider and the network operator can read.
///
/// The write is sent to the upstream once. If the answer does not prove the outcome, the gateway reads the log back.
///
/// With `Idempotency-Key` the gateway reads the log first and does not add a message that is already there: after any failure,
/// wait for `Retry-After` and send the request again with the same key. Without a key, read the messages before you send the
/// request again: a message that is sent twice is added twice.
#[utoipa::path(
    post,
    path = "/orders/{id}/messages",
    tag = "Orders",
    params(OrderPath, IdempotencyKeyHeader),
    request_body(content = MessageInput, content_type = "application/json"),
    responses(
        (
            status = 201,
            description = "The message is in the log",
            body = AddedMessage,
            headers((
                "Idempotency-Replayed" = String,
                description = "`true` if the message was in the log before this request."
            )),
            example = json!({"type": "alert", "text": "Kunden nås bäst efter kl. 16"}),
        ),
        BodyProblems,
        OrderNotFound,
        WriteProblems,
        MessageProblems,
    )
)]
pub(in crate::rest) async fn add_order_message(
    state: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    IdempotencyKeyHeader { key }: IdempotencyKeyHeader,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let message = model::NewMessage::from(MessageInput::parse(body)?);
    let principal = state.principal();
    let audit = state.audit.clone().writes("add_order_message", path.id.get());
    let added = state.writes.add_message(&state.context, principal.name(), path.id, message.clone(), key, audit).await;
    let receipt = added.map_err(|failure| Problem::from_write_failure(&failure, principal))?;
    let added = AddedMessage::new(&message, &receipt, principal.scopes());
    let mut response = (StatusCode::CREATED, json(&added)).into_response();
    if receipt.is_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

//! `POST /orders/{id}/messages`

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use crate::model;
use crate::problem::Problem;
use crate::rest::conditional::json;
use crate::rest::dto::{AddedMessage, NewMessage};
use crate::rest::extract::{AcceptsJson, IdempotencyKeyHeader, JsonBody, NoQuery, OrderPath};
use crate::rest::openapi::problem_responses::{BodyProblems, MessageProblems, OrderNotFound, WriteProblems};
use crate::rest::state::RequestState;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Add a message to an order
///
/// Adds a row to the order's log, which service provider and network operator both see; nobody is guaranteed to read it. The
/// write is sent to the order system once; when its answer tells nothing, the log is looked at. With `Idempotency-Key` the log
/// is looked at first, and a message that is there already is not added again: after any failure, wait for `Retry-After` and
/// send it again with the same key. Without a key, read the messages first: a message that is sent twice stands in the log twice.
#[utoipa::path(
    post,
    path = "/orders/{id}/messages",
    tag = "Orders",
    params(OrderPath, IdempotencyKeyHeader),
    request_body(content = NewMessage, content_type = "application/json"),
    responses(
        (
            status = 201,
            description = "The message is in the log",
            body = AddedMessage,
            headers(("Idempotency-Replayed" = String, description = "`true` when it was there before this request.")),
            example = json!({"type": "alert", "text": "Kunden nås bäst efter kl. 16"}),
        ),
        BodyProblems,
        OrderNotFound,
        WriteProblems,
        MessageProblems,
    )
)]
pub(in crate::rest) async fn add_order_message(
    asked: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    IdempotencyKeyHeader { key }: IdempotencyKeyHeader,
    JsonBody(members): JsonBody,
) -> Result<Response, Problem> {
    let message = model::NewMessage::from(NewMessage::read(members)?);
    let audit = asked.audit.clone().writes("add_order_message", path.id.get());
    let added = asked.writes.add_message(&asked.context, asked.principal().name(), path.id, message.clone(), key, audit).await;
    let added = added.map_err(|refusal| Problem::write(&refusal, asked.principal().upstream()))?;
    let mut response = (StatusCode::CREATED, json(&AddedMessage::new(&message, &added))).into_response();
    if added.is_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

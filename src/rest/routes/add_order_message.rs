//! `POST /orders/{id}/messages`

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::json;
use crate::model;
use crate::rest::extract::{AcceptsJson, JsonBody, NoPrecondition, NoQuery, OrderPath};
use crate::rest::problem::{BodyProblems, OrderNotFound, Problem, WriteProblems};
use crate::rest::router::Asked;
use crate::rest::wire::{Message, NewMessage};

/// Add a message to an order
///
/// Adds a row to the order's log, which service provider and network operator both see; nobody is guaranteed to read it. The
/// write is sent to the order system once. After `outcome-unknown`, read the messages before sending it again: a message that is
/// sent twice stands in the log twice.
#[utoipa::path(
    post,
    path = "/orders/{id}/messages",
    tag = "Orders",
    params(OrderPath),
    request_body(content = NewMessage, content_type = "application/json"),
    responses(
        (
            status = 201,
            description = "The message was added",
            body = Message,
            example = json!({"type": "alert", "text": "Kunden nås bäst efter kl. 16"}),
        ),
        BodyProblems,
        OrderNotFound,
        WriteProblems,
    )
)]
pub(in crate::rest) async fn add_order_message(
    asked: Asked,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    _: NoPrecondition,
    JsonBody(members): JsonBody,
) -> Result<Response, Problem> {
    let message = model::NewMessage::from(NewMessage::read(members)?);
    let at = asked.backend.add_message(&asked.context, path.id, message.clone()).await;
    let at = at.map_err(|error| Problem::write(&error))?;
    Ok((StatusCode::CREATED, json(&Message::added(&message, at))).into_response())
}

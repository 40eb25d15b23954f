//! `PATCH /orders/{id}/status`

use axum::response::Response;

use super::json;
use crate::rest::extract::{AcceptsJson, MergePatchBody, NoPrecondition, NoQuery, OrderPath};
use crate::rest::problem::{BodyProblems, OrderNotFound, Problem, WriteProblems};
use crate::rest::router::Asked;
use crate::rest::wire::{StatusChange, StatusOfOrder};

/// Change the status of an order
///
/// Gives the order a status and adds a row to its log, also when the order has that status already. The write is sent to the
/// order system once. Success means that the order system confirmed it; `outcome` in a problem tells whether a failed write
/// was applied.
#[utoipa::path(
    patch,
    path = "/orders/{id}/status",
    tag = "Orders",
    params(OrderPath),
    request_body(content((StatusChange = "application/json"), (StatusChange = "application/merge-patch+json"))),
    responses(
        (status = 200, description = "The status was changed", body = StatusOfOrder, example = json!({"status": "received"})),
        BodyProblems,
        OrderNotFound,
        WriteProblems,
    )
)]
pub(in crate::rest) async fn change_order_status(
    asked: Asked,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    _: NoPrecondition,
    MergePatchBody(members): MergePatchBody,
) -> Result<Response, Problem> {
    let change = StatusChange::read(members)?;
    let changed = asked.backend.set_status(&asked.context, path.id, change.status).await;
    changed.map_err(|error| Problem::write(&error))?;
    Ok(json(&StatusOfOrder::from(change)))
}

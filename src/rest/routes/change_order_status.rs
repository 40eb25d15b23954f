//! `PATCH /orders/{id}/status`

use axum::response::Response;

use crate::problem::Problem;
use crate::rest::conditional::json;
use crate::rest::dto::{OrderStatusBody, StatusChange};
use crate::rest::etag::ETag;
use crate::rest::extract::{AcceptsJson, IfMatch, MergePatchBody, NoQuery, OrderPath};
use crate::rest::openapi::problem_responses::{BodyProblems, OrderNotFound, StatusProblems, WriteProblems};
use crate::rest::state::RequestState;
use crate::writes::Precondition;

/// Change the status of an order
///
/// Gives the order a status and adds a row to its log, also when the order has that status already. With `If-Match` the order
/// is looked at first, and the write is sent only if the status, and time and type of every row in the log, are those that the
/// tag was given for. The write is sent to the order system once; when its answer tells nothing, the order is looked at again.
/// Success means that the order system confirmed it, or that the order shows it; `outcome` in a problem tells whether a failed
/// write was applied.
#[utoipa::path(
    patch,
    path = "/orders/{id}/status",
    tag = "Orders",
    params(OrderPath, IfMatch),
    request_body(content((StatusChange = "application/json"), (StatusChange = "application/merge-patch+json"))),
    responses(
        (status = 200, description = "The status was changed", body = OrderStatusBody, example = json!({"status": "received"})),
        BodyProblems,
        OrderNotFound,
        WriteProblems,
        StatusProblems,
    )
)]
pub(in crate::rest) async fn change_order_status(
    asked: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    IfMatch { condition }: IfMatch,
    MergePatchBody(members): MergePatchBody,
) -> Result<Response, Problem> {
    let change = StatusChange::read(members)?;
    let caller = asked.principal().clone();
    let expected = condition.map(|condition| -> Precondition {
        Box::new(move |order| condition.matches(&ETag::of_status(caller.upstream(), order)))
    });
    let audit = asked.audit.clone().writes("change_order_status", path.id.get());
    let changed = asked.writes.set_status(&asked.context, path.id, change.status, expected, audit).await;
    changed.map_err(|refusal| Problem::write(&refusal, asked.principal().upstream()))?;
    Ok(json(&OrderStatusBody::from(change)))
}

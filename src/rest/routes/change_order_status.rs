//! `PATCH /orders/{id}/status`

use axum::response::Response;
use headers::HeaderMapExt;

use crate::problem::Problem;
use crate::rest::conditional::json;
use crate::rest::dto::{ChangedStatus, StatusInput};
use crate::rest::etag;
use crate::rest::extract::{AcceptsJson, IfMatchHeader, MergePatchBody, NoQuery, OrderPath};
use crate::rest::openapi::problem_responses::{BodyProblems, OrderNotFound, StatusProblems, WriteProblems};
use crate::rest::state::RequestState;
use crate::writes::Precondition;

/// Change the status of an order
///
/// Sets the status and adds an entry to the order's log, even when the order already has this status.
///
/// With `If-Match` the gateway reads the order first and sends the write only if the status, and the time and type of every log
/// entry, are unchanged since the ETag. The write is sent to the upstream once. If the answer does not prove the outcome, the
/// gateway reads the order back.
///
/// 200 means that the upstream confirmed the change or that the order shows it. After a change with `If-Match` the order is read
/// once more, because the upstream cannot compare and write in one step: `contested` means that somebody else changed the status
/// at the same moment. In a problem, `outcome` states whether a failed write was applied.
#[utoipa::path(
    patch,
    path = "/orders/{id}/status",
    tag = "Orders",
    params(OrderPath, IfMatchHeader),
    request_body(content = StatusInput, content_type = "application/json"),
    responses(
        (
            status = 200,
            description = "The status was changed",
            body = ChangedStatus,
            headers((
                "ETag" = String,
                description = "After a change with `If-Match`: entity tag of the new status, unless the change is contested."
            )),
            example = json!({"status": "received"}),
        ),
        BodyProblems,
        OrderNotFound,
        WriteProblems,
        StatusProblems,
    )
)]
pub(in crate::rest) async fn change_order_status(
    state: RequestState,
    path: OrderPath,
    _: AcceptsJson,
    _: NoQuery,
    IfMatchHeader { condition }: IfMatchHeader,
    MergePatchBody(body): MergePatchBody,
) -> Result<Response, Problem> {
    let change = StatusInput::parse(body)?;
    let principal = state.principal().clone();
    let precondition = condition.map(|condition| -> Precondition {
        Box::new(move |order| condition.precondition_passes(&etag::of_status(principal.upstream(), order)))
    });
    let audit = state.audit.clone().writes("change_order_status", path.id.get());
    let changed = state.writes.set_status(&state.context, path.id, change.status, precondition, audit).await;
    let receipt = changed.map_err(|failure| Problem::from_write_failure(&failure, state.principal()))?;
    let mut response = json(&ChangedStatus::new(change, receipt.is_contested));
    if let Some(order) = receipt.order {
        response.headers_mut().typed_insert(etag::of_status(state.principal().upstream(), &order));
    }
    Ok(response)
}

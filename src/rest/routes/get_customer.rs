//! `GET /customers/{id}`

use axum::response::Response;

use crate::model::HeldBytes;
use crate::problem::Problem;
use crate::rest::conditional::json_with_etag;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, CustomerPath, IfNoneMatchHeader, NoQuery, RequestHeaders};
use crate::rest::json;
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{CustomerNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// Get a customer
///
/// One customer with all members that the upstream returns.
#[utoipa::path(
    get,
    path = "/customers/{id}",
    tag = "Customers",
    params(CustomerPath, IfNoneMatchHeader),
    responses(
        (
            status = 200,
            description = "The customer",
            body = dto::Customer,
            headers((
                "ETag" = String,
                description = "Hash of the body. Send it in `If-None-Match` to get 304 while it is unchanged."
            )),
            example = json!(examples::customer()),
        ),
        (
            status = 304,
            description = "The customer is unchanged: `If-None-Match` lists its ETag.",
            headers(("ETag" = String, description = "The entity tag that `If-None-Match` lists."))
        ),
        RequestProblems,
        CustomerNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_customer(
    state: RequestState,
    path: CustomerPath,
    _: AcceptsJson,
    _: NoQuery,
    RequestHeaders(headers): RequestHeaders,
) -> Result<Response, Problem> {
    let customer = state.read_customer(path.id).await?;
    let memory = json::reserve(&state.memory, customer.held_bytes())?;
    let response = json_with_etag(&headers, &dto::Customer::new(&customer, state.pii_access()), memory);
    // A 304 discloses nothing.
    if response.status().is_success() {
        state.audit.record_disclosure("get_customer", path.id.get());
    }
    Ok(response)
}

//! `GET /customers/{id}`

use axum::response::Response;
use http::HeaderMap;

use crate::problem::{Code, Problem};
use crate::rest::conditional::json_with_etag;
use crate::rest::dto;
use crate::rest::extract::{AcceptsJson, CustomerPath, NoQuery};
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{CustomerNotFound, ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// Get a customer
///
/// Everything that the order system tells about one customer.
#[utoipa::path(
    get,
    path = "/customers/{id}",
    tag = "Customers",
    params(CustomerPath),
    responses(
        (
            status = 200,
            description = "The customer",
            body = dto::Customer,
            headers(("ETag" = String, description = "Stands for exactly this body; with `If-None-Match` the answer is 304 while it is the same.")),
            example = json!(examples::customer()),
        ),
        (status = 304, description = "The customer is the one that `If-None-Match` names."),
        RequestProblems,
        CustomerNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_customer(
    asked: RequestState,
    path: CustomerPath,
    _: AcceptsJson,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let customer = asked.backend.customer_info(&asked.context, path.id).await;
    let customer = customer.map_err(|error| Problem::read(&error, Code::CustomerNotFound))?;
    let response = json_with_etag(&headers, &dto::Customer::new(&customer, asked.pii_access()));
    // Whoever has it already is shown nothing.
    if response.status().is_success() {
        asked.audit.log_disclosure("get_customer", &[path.id.get()]);
    }
    Ok(response)
}

//! `GET /customers/{id}`

use axum::response::Response;

use super::json;
use crate::rest::extract::{AcceptsJson, CustomerPath, NoQuery};
use crate::rest::openapi::examples;
use crate::rest::problem::{Code, CustomerNotFound, Problem, ReadProblems, RequestProblems};
use crate::rest::router::Asked;
use crate::rest::wire;

/// Get a customer
///
/// Everything that the order system tells about one customer.
#[utoipa::path(
    get,
    path = "/customers/{id}",
    tag = "Customers",
    params(CustomerPath),
    responses(
        (status = 200, description = "The customer", body = wire::Customer, example = json!(examples::customer())),
        RequestProblems,
        CustomerNotFound,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn get_customer(
    asked: Asked,
    path: CustomerPath,
    _: AcceptsJson,
    _: NoQuery,
) -> Result<Response, Problem> {
    let customer = asked.backend.customer_info(&asked.context, path.id).await;
    let customer = customer.map_err(|error| Problem::read(&error, Code::CustomerNotFound))?;
    Ok(json(&wire::Customer::from(&customer)))
}

//! `GET /customers`

use axum::response::Response;

use crate::rest::extract::{AcceptsJson, CustomerListQuery};
use crate::rest::list;
use crate::rest::openapi::examples;
use crate::rest::problem::{Problem, ReadProblems, RequestProblems};
use crate::rest::router::Asked;
use crate::rest::wire;

/// List customers
///
/// Customers that are new or were edited since a date, as they come from the order system. The list streams: it begins with
/// the first item, and one that breaks off is no JSON.
#[utoipa::path(
    get,
    path = "/customers",
    tag = "Customers",
    params(CustomerListQuery),
    responses(
        (status = 200, description = "The customers", body = wire::CustomerList, example = json!(examples::customer_list())),
        RequestProblems,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_customers(
    asked: Asked,
    _: AcceptsJson,
    query: CustomerListQuery,
) -> Result<Response, Problem> {
    let customers = asked.backend.customers(&asked.for_list(), query.since).await;
    let customers = customers.map_err(|error| Problem::list(&error))?;
    list::respond(customers, list::Form::Json, |_| true).await
}

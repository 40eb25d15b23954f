//! `GET /customers`

use axum::extract::OriginalUri;
use axum::response::Response;

use crate::model::Customer;
use crate::problem::Problem;
use crate::rest::dto;
use crate::rest::extract::{AcceptsList, CustomerListQuery};
use crate::rest::list;
use crate::rest::list::pagination::Page;
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// List customers
///
/// Customers that are new or were edited since a date. Without `limit` they come as the order system tells them, and the list
/// streams: it begins with the first item, and one that breaks off is no JSON. With `limit` they come in pages by id; each costs
/// the whole list of the order system. As `application/x-ndjson` there is one item a line, as for orders.
#[utoipa::path(
    get,
    path = "/customers",
    tag = "Customers",
    params(CustomerListQuery),
    responses(
        (
            status = 200,
            description = "The customers",
            content(
                (dto::CustomerList = "application/json", example = json!(examples::customer_list())),
                (String = "application/x-ndjson", example = json!(examples::customer_lines())),
            ),
            headers(("Link" = String, description = "With `limit`: the address of the next page, `rel=\"next\"`; absent on the last.")),
        ),
        RequestProblems,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_customers(
    asked: RequestState,
    OriginalUri(address): OriginalUri,
    accepted: AcceptsList,
    query: CustomerListQuery,
) -> Result<Response, Problem> {
    let customers = asked.backend.customers(&asked.list_context(), query.since).await;
    let customers = customers.map_err(|error| Problem::list(&error))?;
    let (sight, mut seen) = (asked.pii_access(), asked.audit.list("list_customers"));
    let Some(page) = query.page() else {
        let note = move |customer: &Customer| {
            seen.note(customer.id.get());
            true
        };
        return list::respond(customers, accepted, sight, note).await;
    };
    let page = Page::select(customers, page, |_| true).await?;
    for customer in page.items() {
        seen.note(customer.id.get());
    }
    Ok(page.respond(accepted.form, sight, &address))
}

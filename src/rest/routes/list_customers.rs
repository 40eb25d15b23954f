//! `GET /customers`

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
/// Customers created or updated since a date.
///
/// Without `limit` the whole list is streamed, in upstream order. It begins with the first item; a truncated stream is invalid
/// JSON. With `limit` the list is paginated, ordered by id; each page costs one list of the upstream.
///
/// `Accept: application/x-ndjson` returns one customer per line, as for orders. The schema of a line is `CustomerLine`.
#[utoipa::path(
    get,
    path = "/customers",
    tag = "Customers",
    extensions(("x-ndjson-line" = json!({"$ref": "#/components/schemas/CustomerLine"}))),
    params(CustomerListQuery),
    responses(
        (
            status = 200,
            description = "The customers",
            body = dto::CustomerList,
            headers((
                "Link" = String,
                description = "With `limit`: URL of the next page (`rel=\"next\"`), relative to the request's. Absent on the last page."
            )),
            example = json!(examples::customer_list()),
        ),
        RequestProblems,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_customers(
    state: RequestState,
    accepts: AcceptsList,
    query: CustomerListQuery,
) -> Result<Response, Problem> {
    let customers = state.backend.customers(&state.list_context(), query.since).await;
    let pii_access = state.pii_access();
    let customers = customers.map_err(|error| Problem::from_list_error(&error, pii_access))?;
    let mut disclosed = state.audit.list("list_customers");
    let Some(page) = query.page() else {
        let includes = move |customer: &Customer| {
            disclosed.note(customer.id.get());
            true
        };
        return list::respond(customers, accepts, pii_access, includes).await;
    };
    let page = Page::select(customers, page, pii_access, &state.memory, |_| true).await?;
    let ids: Vec<u64> = page.items().iter().map(|customer| customer.id.get()).collect();
    let response = page.respond(accepts.format, pii_access, &state.memory, &state.uri)?;
    for id in ids {
        disclosed.note(id);
    }
    Ok(response)
}

//! `GET /orders`

use axum::response::Response;

use crate::model::ListedOrder;
use crate::problem::Problem;
use crate::rest::dto;
use crate::rest::extract::{AcceptsList, OrderListQuery};
use crate::rest::list;
use crate::rest::list::expand::{Expanded, expand};
use crate::rest::list::filter::Filter;
use crate::rest::list::pagination::Page;
use crate::rest::openapi::examples;
use crate::rest::openapi::problem_responses::{ReadProblems, RequestProblems};
use crate::rest::state::RequestState;

/// List orders
///
/// Orders placed since a time, filtered by status, type, customer or an upper bound.
///
/// Without `limit` the whole list is streamed, in upstream order. It begins with the first item; a truncated stream is invalid
/// JSON. With `limit` the list is paginated, ordered by time and id; each page costs one list of the upstream, from the day of
/// the cursor on.
///
/// `Accept: application/x-ndjson` returns one order per line, `{"unreadable":…}` for an item that cannot be decoded, and a last
/// line `{"complete":true,"count":n}`, with `nextCursor` if there is another page. The schema of a line is `OrderLine`.
///
/// `network`, `messages`, `details` and most of `customer` are returned by `GET /orders/{id}` only.
#[utoipa::path(
    get,
    path = "/orders",
    tag = "Orders",
    extensions(("x-ndjson-line" = json!({"$ref": "#/components/schemas/OrderLine"}))),
    params(OrderListQuery),
    responses(
        (
            status = 200,
            description = "The orders",
            body = dto::OrderList,
            headers((
                "Link" = String,
                description = "With `limit`: URL of the next page (`rel=\"next\"`), relative to the request's. Absent on the last page."
            )),
            example = json!(examples::order_list()),
        ),
        RequestProblems,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_orders(
    state: RequestState,
    accepts: AcceptsList,
    query: OrderListQuery,
) -> Result<Response, Problem> {
    let (page, is_expanded) = (query.page(), query.expand);
    let filter = Filter::from(query);
    let context = state.list_context();
    let lower_bound = page.and_then(|page| page.lower_bound()).map_or(filter.since, |bound| bound.max(filter.since));
    let orders = state.backend.orders(&context, state.zone.date(lower_bound)).await;
    let orders = orders.map_err(|error| Problem::from_list_error(&error, state.pii_access()))?;
    let includes = move |order: &ListedOrder| filter.includes(order);
    let Some(page) = page else { return list::respond(orders, accepts, state.pii_access(), includes).await };
    let page = Page::select(orders, page, state.pii_access(), &state.memory, includes).await?;
    if !is_expanded {
        return page.respond(accepts.format, state.pii_access(), &state.memory, &state.uri);
    }
    let (orders, page) = page.split();
    let orders = expand(&state, &context, orders).await;
    let ids: Vec<u64> = orders.iter().filter_map(Expanded::disclosed_id).collect();
    let response = page.with_items(orders).respond(accepts.format, state.pii_access(), &state.memory, &state.uri)?;
    let mut disclosed = state.audit.list("list_orders");
    for id in ids {
        disclosed.note(id);
    }
    Ok(response)
}

//! `GET /orders`

use axum::extract::OriginalUri;
use axum::response::Response;

use crate::model::Order;
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
/// Orders placed since a time. Without `limit` they come as the order system tells them, and the list streams: it begins with
/// the first item, and one that breaks off is no JSON. With `limit` they come in pages; each costs one list of the order
/// system from the page's first day on. As `application/x-ndjson` there is one item a line, or `{"unreadable":…}` for one that
/// could not be read, and a last line `{"complete":true,"count":n}`, with `nextCursor` where there is one. `network`, `messages`, `details` and most of `customer` are known to `GET /orders/{id}` only.
#[utoipa::path(
    get,
    path = "/orders",
    tag = "Orders",
    params(OrderListQuery),
    responses(
        (
            status = 200,
            description = "The orders",
            content(
                (dto::OrderList = "application/json", example = json!(examples::order_list())),
                (String = "application/x-ndjson", example = json!(examples::order_lines())),
            ),
            headers(("Link" = String, description = "With `limit`: the address of the next page, `rel=\"next\"`; absent on the last.")),
        ),
        RequestProblems,
        ReadProblems,
    )
)]
pub(in crate::rest) async fn list_orders(
    asked: RequestState,
    OriginalUri(address): OriginalUri,
    accepted: AcceptsList,
    query: OrderListQuery,
) -> Result<Response, Problem> {
    let (page, is_expanded) = (query.page(), query.expand);
    let filter = Filter::from(query);
    let context = asked.list_context();
    let since = page.and_then(|page| page.lower_bound()).map_or(filter.since, |begins| begins.max(filter.since));
    let orders = asked.backend.orders(&context, asked.zone.date(since)).await;
    let orders = orders.map_err(|error| Problem::list(&error))?;
    let is_wanted = move |order: &Order| filter.includes(order);
    let Some(page) = page else { return list::respond(orders, accepted, asked.pii_access(), is_wanted).await };
    let page = Page::select(orders, page, is_wanted).await?;
    if !is_expanded {
        return Ok(page.respond(accepted.form, asked.pii_access(), &address));
    }
    let (orders, page) = page.split();
    let orders = expand(&asked, &context, orders).await;
    let mut seen = asked.audit.clone().list("list_orders");
    orders.iter().filter_map(Expanded::shown).for_each(|id| seen.note(id));
    Ok(page.with(orders).respond(accepted.form, asked.pii_access(), &address))
}

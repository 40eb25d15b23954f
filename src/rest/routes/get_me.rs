//! `GET /me`

use axum::response::Response;

use crate::problem::Problem;
use crate::rest::conditional::json;
use crate::rest::dto::Me;
use crate::rest::extract::{AcceptsJson, NoQuery};
use crate::rest::openapi::problem_responses::{AuthenticationProblems, RequestProblems};
use crate::rest::state::RequestState;

/// Get the client
///
/// Who the credential belongs to, what it permits, and what the client needs to know of its upstream. Nothing is sent to the
/// upstream.
#[utoipa::path(
    get,
    path = "/me",
    tag = "Client",
    security(("bearer" = []), ("apiKey" = [])),
    responses((status = 200, description = "The client", body = Me), RequestProblems, AuthenticationProblems)
)]
pub(in crate::rest) async fn get_me(state: RequestState, _: AcceptsJson, _: NoQuery) -> Result<Response, Problem> {
    Ok(json(&Me::new(&state)))
}

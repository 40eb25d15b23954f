//! The operations: one file each, named as in the OpenAPI document.

pub(super) mod add_order_message;
pub(super) mod change_order_status;
pub(super) mod get_customer;
pub(super) mod get_order;
pub(super) mod get_order_status;
pub(super) mod list_customers;
pub(super) mod list_order_messages;
pub(super) mod list_orders;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::json;

/// A response whose body is this value.
fn json(value: &impl Serialize) -> Response {
    match json::to_bytes(value) {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(problem) => problem.into_response(),
    }
}

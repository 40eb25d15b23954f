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

use super::problem::{Code, Problem};

/// A value as the body of a response.
pub(in crate::rest) struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => Problem::new(Code::InternalError, "The answer cannot be written as JSON.").into_response(),
        }
    }
}

//! The operations, one file each. File, handler and operation id have the same name.

pub(super) mod add_order_message;
pub(super) mod change_order_status;
pub(super) mod get_customer;
pub(super) mod get_me;
pub(super) mod get_order;
pub(super) mod get_order_status;
pub(super) mod list_customers;
pub(super) mod list_order_messages;
pub(super) mod list_orders;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::require_scope::RequiredScopes;
use super::state::AppState;
use crate::model::Scope;

/// All operations with the scope each requires; any credential will do for [`get_me`].
pub(super) fn operations() -> (OpenApiRouter<AppState>, RequiredScopes) {
    let mut scopes = RequiredScopes::default();
    let router = OpenApiRouter::new()
        .routes(scopes.require(Scope::OrdersRead, routes!(list_orders::list_orders)))
        .routes(scopes.require(Scope::OrdersRead, routes!(get_order::get_order)))
        .routes(scopes.require(Scope::OrdersRead, routes!(get_order_status::get_order_status)))
        .routes(scopes.require(Scope::OrdersWrite, routes!(change_order_status::change_order_status)))
        .routes(scopes.require(Scope::OrdersRead, routes!(list_order_messages::list_order_messages)))
        .routes(scopes.require(Scope::OrdersWrite, routes!(add_order_message::add_order_message)))
        .routes(scopes.require(Scope::CustomersRead, routes!(list_customers::list_customers)))
        .routes(scopes.require(Scope::CustomersRead, routes!(get_customer::get_customer)))
        .routes(scopes.require_none(routes!(get_me::get_me)));
    (router, scopes)
}

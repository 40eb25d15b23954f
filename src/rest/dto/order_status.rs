//! The status of an order, without the order.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::enums;
use super::masked::open_value;
use crate::model::{Extensible, OrderStatus, PiiAccess, StrEnum};
use crate::problem::Problem;
use crate::rest::extract::JsonObject;

/// Order status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStatus, example = json!({"status": "new"}))]
pub(in crate::rest) struct OrderStatusBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = enums::status_as_read, required = false)]
    status: Option<Cow<'a, str>>,
}

impl<'a> OrderStatusBody<'a> {
    pub(in crate::rest) fn new(status: Option<&'a Extensible<OrderStatus>>, pii_access: PiiAccess) -> Self {
        Self { status: open_value(status, pii_access) }
    }
}

/// A change of the order status.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(as = StatusChange, example = json!({"status": "received"}))]
pub(in crate::rest) struct StatusChange {
    #[schema(schema_with = enums::status_to_write)]
    pub(in crate::rest) status: OrderStatus,
}

impl StatusChange {
    /// Name of the schema in the OpenAPI document.
    pub(in crate::rest) const NAME: &'static str = "StatusChange";

    pub(in crate::rest) fn parse(mut body: JsonObject) -> Result<Self, Problem> {
        let status = body.take_enum::<OrderStatus>("status");
        body.finish(status.map(|status| Self { status }))
    }
}

/// A status change that was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct ChangedStatus {
    #[schema(schema_with = enums::status_as_read)]
    status: &'static str,
    /// `true` if somebody else changed the status at the same moment: both may have been told that their change with the same
    /// `If-Match` succeeded. Read the order, and settle with the others whose it is.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    contested: bool,
}

impl ChangedStatus {
    pub(in crate::rest) fn new(change: StatusChange, contested: bool) -> Self {
        Self { status: change.status.as_str(), contested }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

//! The status of an order, without the order.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::enums;
use super::masked::open_value;
use crate::model::{Extensible, OrderStatus, PiiAccess, StrEnum};
use crate::problem::Problem;
use crate::rest::extract::JsonObject;

/// The status of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CurrentStatus, example = json!({"status": "new"}))]
pub(in crate::rest) struct CurrentStatus<'a> {
    /// The status. Absent when the upstream returns none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = enums::OpenOrderStatus, required = false)]
    status: Option<Cow<'a, str>>,
}

impl<'a> CurrentStatus<'a> {
    pub(in crate::rest) fn new(status: Option<&'a Extensible<OrderStatus>>, pii_access: PiiAccess) -> Self {
        Self { status: open_value(status, pii_access) }
    }
}

/// A change of the order status.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(as = StatusInput, example = json!({"status": "received"}))]
pub(in crate::rest) struct StatusInput {
    /// The new status.
    #[schema(value_type = enums::OrderStatus)]
    pub(in crate::rest) status: OrderStatus,
}

impl StatusInput {
    /// Name of the schema in the OpenAPI document.
    pub(in crate::rest) const NAME: &'static str = "StatusInput";

    pub(in crate::rest) fn parse(mut body: JsonObject) -> Result<Self, Problem> {
        let status = body.take_enum::<OrderStatus>("status");
        body.finish(status.map(|status| Self { status }))
    }
}

/// A status change that was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct ChangedStatus {
    /// The new status.
    #[schema(value_type = enums::OpenOrderStatus)]
    status: &'static str,
    /// `true` if somebody else changed the status at the same moment: both clients may have got a 200 for a change with the same
    /// `If-Match`. Read the order, and agree with the other writers on who handles it.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    contested: bool,
}

impl ChangedStatus {
    pub(in crate::rest) fn new(change: StatusInput, contested: bool) -> Self {
        Self { status: change.status.as_str(), contested }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

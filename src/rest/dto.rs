//! The JSON types of the API. Their doc comments are the descriptions in the OpenAPI document.

mod customer;
mod enums;
pub(super) mod masked;
mod me;
mod message;
mod order;
mod order_status;
mod timestamp;

pub(super) use customer::{Customer, CustomerList};
pub(super) use me::Me;
#[cfg(test)]
pub(super) use message::MAX_TEXT;
pub(super) use message::{AddedMessage, Message, MessageList, NewMessage};
pub(super) use order::{Order, OrderList};
pub(super) use order_status::{ChangedStatus, OrderStatusBody, StatusChange};
pub(super) use timestamp::Time;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::backend;
use crate::model::PiiAccess;

/// An array whose items are made one by one while it is written: all of them at once would be held beside the model.
#[derive(Debug)]
pub(super) struct Items<'a, M, D> {
    models: &'a [M],
    pii_access: PiiAccess,
    convert: fn(&'a M, PiiAccess) -> D,
}

impl<M, D: Serialize> Serialize for Items<'_, M, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.models.iter().map(|model| (self.convert)(model, self.pii_access)))
    }
}

/// An item of a list that could not be decoded. The other items are complete.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unreadable)]
pub(super) struct Unreadable {
    /// Position in the upstream's list, starting at 1.
    #[schema(minimum = 1, example = 3)]
    position: u64,
    /// Id, if it could be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 20417)]
    id: Option<u64>,
    /// Why the item could not be decoded.
    #[schema(example = "it has no id")]
    detail: &'static str,
}

impl From<backend::UndecodableItem> for Unreadable {
    fn from(item: backend::UndecodableItem) -> Self {
        Self { position: item.position, id: item.id, detail: item.detail }
    }
}

/// A line of an NDJSON list for an item that could not be decoded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadableLine {
    /// The item and the reason.
    pub(super) unreadable: Unreadable,
}

/// The last line of an NDJSON list. A list without it is truncated.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complete<'a> {
    /// Always `true`.
    #[serde(rename = "complete")]
    flag: bool,
    /// Number of items, without those that could not be decoded.
    count: u64,
    /// Cursor of the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<&'a str>,
}

impl<'a> Complete<'a> {
    pub(super) const fn new(count: u64, next_cursor: Option<&'a str>) -> Self {
        Self { flag: true, count, next_cursor }
    }
}

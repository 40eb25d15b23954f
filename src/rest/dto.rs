//! The JSON types of the API. Their doc comments are the descriptions in the OpenAPI document.

mod customer;
mod enums;
mod list_line;
pub(super) mod masked;
mod me;
mod message;
mod order;
mod order_status;
mod timestamp;

pub(super) use customer::{Customer, CustomerList};
pub(super) use list_line::{Complete, CustomerLine, OrderLine, UnreadableLine};
pub(super) use me::Me;
#[cfg(test)]
pub(super) use message::MAX_TEXT;
pub(super) use message::{AddedMessage, Message, MessageInput, MessageList};
pub(super) use order::{DetailedOrder, Order, OrderList};
pub(super) use order_status::{ChangedStatus, CurrentStatus, StatusInput};
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
pub(super) struct UnreadableItem {
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

impl From<backend::UndecodableItem> for UnreadableItem {
    fn from(item: backend::UndecodableItem) -> Self {
        Self { position: item.position, id: item.id, detail: item.detail }
    }
}

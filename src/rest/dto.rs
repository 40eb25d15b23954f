//! The JSON of the API. The docs of these types and their members are the text that API users read.

mod customer;
mod enums;
pub(super) mod masked;
mod message;
mod order;
mod order_status;
mod timestamp;

pub(super) use customer::{Customer, CustomerList};
pub(super) use message::{AddedMessage, Message, MessageList, NewMessage};
pub(super) use order::{Order, OrderList};
pub(super) use order_status::{OrderStatusBody, StatusChange};
pub(super) use timestamp::Time;

use serde::Serialize;
use utoipa::ToSchema;

use crate::backend;

/// An item of a list that could not be read. The others are not spoiled by it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unreadable)]
pub(super) struct Unreadable {
    /// Its place in the order system's list, from 1.
    #[schema(minimum = 1, example = 3)]
    position: u64,
    /// Its id, where that much was readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 20417)]
    id: Option<u64>,
    /// What is wrong with it.
    #[schema(example = "it has no id")]
    detail: &'static str,
}

impl From<backend::UndecodableItem> for Unreadable {
    fn from(item: backend::UndecodableItem) -> Self {
        Self { position: item.position, id: item.id, detail: item.detail }
    }
}

/// A line of a list in NDJSON for an item that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadableLine {
    /// Which item, and why.
    pub(super) unreadable: Unreadable,
}

/// The last line of a list in NDJSON. A list without it is not complete.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complete<'a> {
    /// Always `true`.
    #[serde(rename = "complete")]
    all: bool,
    /// How many items there were, those that could not be read not counted.
    count: u64,
    /// Leads to the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<&'a str>,
}

impl<'a> Complete<'a> {
    pub(super) const fn new(count: u64, next_cursor: Option<&'a str>) -> Self {
        Self { all: true, count, next_cursor }
    }
}

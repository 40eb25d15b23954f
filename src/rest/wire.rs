//! The JSON of the API. The docs of these types and their members are the text that API users read.

mod customer;
mod message;
mod order;
mod status;
mod time;
mod words;

pub(super) use customer::{Customer, CustomerList};
pub(super) use message::{Message, MessageList, NewMessage};
pub(super) use order::{Order, OrderList};
pub(super) use status::{StatusChange, StatusOfOrder};
pub(super) use time::Time;

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

impl From<backend::Unreadable> for Unreadable {
    fn from(item: backend::Unreadable) -> Self {
        Self { position: item.position, id: item.id, detail: item.detail }
    }
}

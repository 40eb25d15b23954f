//! The wire format of each legacy method, both directions side by side: one file per method.
//!
//! A file has `request` (the parameters that the client sends), `read_request` (how the server parses them), `decode` (XML to
//! model) and `encode` (model to XML). Elements that several answers share have files of their own: [`customer_fields`] and
//! [`log_entry`].

pub(in crate::legacy) mod add_message;
pub(in crate::legacy) mod api_login;
pub(in crate::legacy) mod customer_info;
pub(in crate::legacy) mod customers;
pub(in crate::legacy) mod order_info;
pub(in crate::legacy) mod orders;
pub(in crate::legacy) mod set_status;

mod customer_fields;
mod log_entry;
#[cfg(test)]
mod tests;

use jiff::civil::{Date, DateTime};

use super::query::{InvalidParams, QueryParams};
use crate::backend::UndecodableItem;

/// A list item. Its position is unknown here, so an undecodable item has position 0.
pub(in crate::legacy) type Decoded<T> = Result<T, UndecodableItem>;

fn undecodable(id: Option<u64>, detail: &'static str) -> UndecodableItem {
    UndecodableItem { position: 0, id, detail }
}

/// The parameters of both lists.
fn since_request(since: Date) -> QueryParams {
    QueryParams::default().with("date", since.to_string())
}

fn read_since(params: &QueryParams) -> Result<Date, InvalidParams> {
    super::time_format::parse_date(params.get("date")?).ok_or(InvalidParams("date is not valid"))
}

fn with_seconds(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn with_minutes(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

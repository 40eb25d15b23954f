//! The wire format of each call, both directions side by side: one file a method.
//!
//! A file holds `request` (what the client sends), `read_request` (what the server understands), `decode` (XML to model)
//! and `encode` (model to XML). Elements that several answers share have files of their own: [`person`], [`log`].

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

use super::query::{BadRequest, QueryParams};
use crate::backend::UndecodableItem;

/// An item that could not be read, as far as it could; its position is not known here.
pub(in crate::legacy) type Decoded<T> = Result<T, UndecodableItem>;

fn unreadable(id: Option<u64>, detail: &'static str) -> UndecodableItem {
    UndecodableItem { position: 0, id, detail }
}

/// The request of both lists.
fn since_request(since: Date) -> QueryParams {
    QueryParams::default().with("date", since.to_string())
}

fn read_since(request: &QueryParams) -> Result<Date, BadRequest> {
    super::field_reader::parse_date(request.get("date")?).ok_or(BadRequest("date is not valid"))
}

fn with_seconds(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn with_minutes(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

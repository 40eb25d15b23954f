//! Encodes lists as JSON or NDJSON.

use bytes::Bytes;
use serde::Serialize;

use super::compact_order;
use crate::backend;
use crate::model::{self, PiiAccess};
use crate::rest::dto::{Complete, Customer, Order, UnreadableItem, UnreadableLine};
use crate::rest::json;

/// The initial capacity of the buffer, in bytes. Larger blocks are costly to allocate and free, and growing costs more still.
const CAPACITY: usize = 32 * 1024;

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// One object with all items.
    Json,
    /// One object per line; the last line states that the list is complete.
    Ndjson,
}

impl ListFormat {
    /// The media type, as in `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// An item of a list.
pub trait ListItem: Send + Unpin + 'static {
    /// Appends the item as JSON, masked according to `pii_access`.
    ///
    /// # Errors
    /// When a value has a type that the list serializer does not support.
    fn write(&self, pii_access: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;
}

impl ListItem for model::ListedOrder {
    fn write(&self, pii_access: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Compact(order) => compact_order::write(order, pii_access, out),
            Self::Full(order) => json::write(&Order::new(order, pii_access), out),
        }
    }
}

impl ListItem for model::Customer {
    fn write(&self, pii_access: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::write(&Customer::new(self, pii_access), out)
    }
}

/// Encodes a list item by item. The caller takes the bytes out in between, so the whole list is never in memory.
#[derive(Debug)]
pub struct Encoder {
    format: ListFormat,
    pii_access: PiiAccess,
    out: Vec<u8>,
    /// Number of encoded items, without the undecodable ones.
    count: u64,
    /// In JSON, undecodable items follow after all others.
    undecodable: Vec<UnreadableItem>,
}

impl Encoder {
    /// Begins a list.
    #[must_use]
    pub fn new(format: ListFormat, pii_access: PiiAccess) -> Self {
        let mut out = Vec::with_capacity(CAPACITY);
        if format == ListFormat::Json {
            out.extend_from_slice(b"{\"items\":[");
        }
        Self { format, pii_access, out, count: 0, undecodable: Vec::new() }
    }

    /// Adds an item.
    ///
    /// # Errors
    /// As [`ListItem::write`].
    pub fn item(&mut self, item: &impl ListItem) -> Result<(), serde_json::Error> {
        if self.format == ListFormat::Json && self.count > 0 {
            self.out.push(b',');
        }
        self.count += 1;
        item.write(self.pii_access, &mut self.out)?;
        self.end_line();
        Ok(())
    }

    /// Adds an undecodable item.
    ///
    /// # Errors
    /// As [`ListItem::write`].
    pub fn undecodable(&mut self, item: backend::UndecodableItem) -> Result<(), serde_json::Error> {
        let unreadable = UnreadableItem::from(item);
        match self.format {
            ListFormat::Json => self.undecodable.push(unreadable),
            ListFormat::Ndjson => self.line(&UnreadableLine { unreadable })?,
        }
        Ok(())
    }

    /// Ends the list. `next_cursor` is the cursor of the next page, if there is one.
    ///
    /// # Errors
    /// As [`ListItem::write`].
    pub fn finish(&mut self, next_cursor: Option<&str>) -> Result<(), serde_json::Error> {
        if self.format == ListFormat::Ndjson {
            return self.line(&Complete::new(self.count, next_cursor));
        }
        self.out.push(b']');
        if let Some(cursor) = next_cursor {
            self.out.extend_from_slice(b",\"nextCursor\":");
            json::write(cursor, &mut self.out)?;
        }
        if !self.undecodable.is_empty() {
            self.out.extend_from_slice(b",\"unreadable\":");
            json::write(&self.undecodable, &mut self.out)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Takes the bytes encoded so far.
    pub fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::replace(&mut self.out, Vec::with_capacity(CAPACITY)))
    }

    /// All bytes, of a list whose bytes were never taken.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }

    /// Number of bytes that [`Self::take`] would return.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether [`Self::take`] would return no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Number of undecodable items that are held until the end of the list.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.undecodable.len()
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        json::write(value, &mut self.out)?;
        self.end_line();
        Ok(())
    }

    fn end_line(&mut self) {
        if self.format == ListFormat::Ndjson {
            self.out.push(b'\n');
        }
    }
}

//! The two forms in which lists are written.

use bytes::Bytes;
use serde::Serialize;

use crate::backend;
use crate::model::{self, PiiAccess};
use crate::rest::dto::{Complete, Customer, Order, Unreadable, UnreadableLine};
use crate::rest::json;

/// The room for what is gathered before it is taken, in bytes: more than that is costly to get from the allocator and to give
/// back, and to grow is costlier still.
const ROOM: usize = 48 * 1024;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// One object that holds all items.
    Json,
    /// One object a line; the last line says that the list is complete.
    Ndjson,
}

impl ListFormat {
    /// As it stands in `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// What a list may consist of.
pub trait ListItem: Send + Unpin + 'static {
    /// Appends the item as JSON, as somebody sees it.
    ///
    /// # Errors
    /// When it has no form in JSON, which no item has.
    fn write(&self, sight: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;
}

impl ListItem for model::Order {
    fn write(&self, sight: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::write(&Order::new(self, sight), out)
    }
}

impl ListItem for model::Customer {
    fn write(&self, sight: PiiAccess, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        json::write(&Customer::new(self, sight), out)
    }
}

/// Writes a list item by item. What was written is taken out from time to time, so that no list is ever held.
#[derive(Debug)]
pub struct Encoder {
    form: ListFormat,
    sight: PiiAccess,
    out: Vec<u8>,
    /// How many items were written.
    count: u64,
    /// Those that could not be read and are told at the end.
    unreadable: Vec<Unreadable>,
}

impl Encoder {
    /// An empty list for somebody who sees so much.
    #[must_use]
    pub fn new(form: ListFormat, sight: PiiAccess) -> Self {
        let mut out = Vec::with_capacity(ROOM);
        if form == ListFormat::Json {
            out.extend_from_slice(b"{\"items\":[");
        }
        Self { form, sight, out, count: 0, unreadable: Vec::new() }
    }

    /// Adds an item.
    ///
    /// # Errors
    /// As [`ListItem::write`].
    pub fn item(&mut self, item: &impl ListItem) -> Result<(), serde_json::Error> {
        if self.form == ListFormat::Json && self.count > 0 {
            self.out.push(b',');
        }
        self.count += 1;
        item.write(self.sight, &mut self.out)?;
        self.end_line();
        Ok(())
    }

    /// Adds an item that could not be read.
    ///
    /// # Errors
    /// As [`ListItem::write`].
    pub fn unreadable(&mut self, item: backend::UndecodableItem) -> Result<(), serde_json::Error> {
        let unreadable = Unreadable::from(item);
        match self.form {
            ListFormat::Json => self.unreadable.push(unreadable),
            ListFormat::Ndjson => self.line(&UnreadableLine { unreadable })?,
        }
        Ok(())
    }

    /// Ends the list; `next_cursor` leads to the next page, where there is one.
    ///
    /// # Errors
    /// As [`ListItem::write`].
    pub fn finish(&mut self, next_cursor: Option<&str>) -> Result<(), serde_json::Error> {
        if self.form == ListFormat::Ndjson {
            return self.line(&Complete::new(self.count, next_cursor));
        }
        self.out.push(b']');
        if let Some(cursor) = next_cursor {
            self.out.extend_from_slice(b",\"nextCursor\":");
            json::write(cursor, &mut self.out)?;
        }
        if !self.unreadable.is_empty() {
            self.out.extend_from_slice(b",\"unreadable\":");
            json::write(&self.unreadable, &mut self.out)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Takes out what was written so far.
    pub fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::replace(&mut self.out, Vec::with_capacity(ROOM)))
    }

    /// How much is there to take, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// How many items that could not be read are kept until the end.
    #[must_use]
    pub const fn kept(&self) -> usize {
        self.unreadable.len()
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        json::write(value, &mut self.out)?;
        self.end_line();
        Ok(())
    }

    fn end_line(&mut self) {
        if self.form == ListFormat::Ndjson {
            self.out.push(b'\n');
        }
    }
}

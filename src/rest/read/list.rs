//! Lists: lines of NDJSON, and documents.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::value::{Object, Text, text};
use super::{ListItem, ReadError, members};
use crate::backend::UndecodableItem;
use crate::model::Zone;

/// A line of an NDJSON list.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rest) enum Line<T> {
    Item(T),
    /// An item that the server could not read.
    Unreadable(UndecodableItem),
    /// The last line of a list or page.
    End {
        /// Number of items, without those that the server could not read.
        count: u64,
        next_cursor: Option<String>,
    },
}

/// A whole list or page.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rest) struct Document {
    /// Where its items stand. They are read one by one, because a model is larger than its JSON.
    pub(in crate::rest) items: Vec<Range<usize>>,
    /// Items that the server could not read.
    pub(in crate::rest) unreadable: Vec<UndecodableItem>,
    pub(in crate::rest) next_cursor: Option<String>,
}

/// The members of the lines that are no items.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ControlMembers<'a> {
    complete: Option<bool>,
    count: Option<u64>,
    #[serde(borrow)]
    next_cursor: Option<Text<'a>>,
    unreadable: Option<Object<UnreadableMembers>>,
}

#[derive(Debug, Deserialize)]
struct UnreadableMembers {
    position: u64,
    id: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentMembers<'a> {
    /// Not in this API. A system that says `false` must be believed.
    complete: Option<bool>,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    next_cursor: Option<Text<'a>>,
    unreadable: Option<Vec<Object<UnreadableMembers>>>,
}

#[derive(Debug, Deserialize)]
struct IdMember {
    id: u64,
}

/// Reads a line, which is the item at this position unless it is none.
pub(in crate::rest) fn read_line<T: ListItem>(line: &[u8], position: u64, zone: &Zone) -> Result<Line<T>, UndecodableItem> {
    match read_item(line, position, zone) {
        Ok(item) => Ok(Line::Item(item)),
        Err(undecodable) => control(line).ok_or(undecodable),
    }
}

/// Reads an item of a document, at this position.
pub(in crate::rest) fn read_item<T: ListItem>(json: &[u8], position: u64, zone: &Zone) -> Result<T, UndecodableItem> {
    let item = members::<T>(json).and_then(|members| T::from_item(members, zone));
    item.map_err(|error| undecodable(json, position, error))
}

/// Reads a document, but for its items.
pub(in crate::rest) fn read_document(json: &[u8]) -> Result<Document, ReadError> {
    const MISMATCH: ReadError = ReadError("it is not a list of the API");
    let read = serde_json::from_slice::<Object<DocumentMembers<'_>>>(json).map_err(|_| MISMATCH)?;
    let Object(DocumentMembers { complete, items, next_cursor, unreadable }) = read;
    if complete == Some(false) {
        return Err(ReadError("it says that it is not complete"));
    }
    let range = |item: &RawValue| {
        let start = item.get().as_ptr().addr() - json.as_ptr().addr();
        start..start + item.get().len()
    };
    let unreadable = unreadable.into_iter().flatten().map(|Object(members)| members.into());
    Ok(Document {
        items: items.into_iter().map(range).collect(),
        unreadable: unreadable.collect(),
        next_cursor: text(next_cursor),
    })
}

fn control<T>(line: &[u8]) -> Option<Line<T>> {
    let Object(members) = serde_json::from_slice(line).ok()?;
    match members {
        ControlMembers { complete: Some(true), count: Some(count), unreadable: None, next_cursor } => {
            Some(Line::End { count, next_cursor: text(next_cursor) })
        }
        ControlMembers { complete: None, unreadable: Some(Object(members)), .. } => Some(Line::Unreadable(members.into())),
        ControlMembers { .. } => None,
    }
}

fn undecodable(json: &[u8], position: u64, ReadError(detail): ReadError) -> UndecodableItem {
    let id = serde_json::from_slice::<Object<IdMember>>(json).ok().map(|Object(IdMember { id })| id);
    UndecodableItem { position, id, detail }
}

impl From<UnreadableMembers> for UndecodableItem {
    fn from(UnreadableMembers { position, id }: UnreadableMembers) -> Self {
        Self { position, id, detail: "the server could not read it" }
    }
}

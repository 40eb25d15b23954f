//! A parser and a writer for the XML of the legacy API.
//!
//! The parser does three things that no library does together: it parses a document in one pass while its chunks arrive
//! ([`reader`]), it decides the character set of each text, because labels may be wrong ([`tree`]), and it reports an
//! undecodable list item without rejecting the document. List items with the same layout as an earlier one are parsed by
//! comparison ([`layout_cache`]), and those of the usual form need no tree.
//!
//! ```text
//! chunks ──► transcode ──► input ──┬──► reader (token) ──► response_parser ──► tree ──► elements
//!            BOM, UTF-16  buffer   └──► layout_cache ──┬────────────────────────┘
//!                                       whole list    └──► fields of the usual form
//!                                       items
//! ```
//!
//! It accepts a safe subset of XML: no document type declaration, no processing instructions, at most [`MAX_DEPTH`] levels.

mod byte_kinds;
mod entities;
mod input;
mod layout_cache;
mod open_elements;
mod plain_text;
mod reader;
mod tag;
#[cfg(test)]
mod tests;
mod token;
mod transcode;
mod tree;
mod writer;

pub(crate) use layout_cache::{LayoutCache, MatchedItem};
pub(crate) use reader::{DocumentReader, Leaf, Part, Tokens, carries_no_data};
pub(crate) use token::{Malformed, Token};
pub(crate) use tree::{Anomaly, Element, Tree};
pub(crate) use writer::Writer;

/// Maximum number of open elements.
pub(crate) const MAX_DEPTH: usize = 8;

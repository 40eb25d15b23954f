//! XML as far as the legacy API needs it, read from chunks of any size.
//!
//! Three things are needed at once that libraries have one at a time: a document is read in one pass while it arrives
//! ([`reader`]); character sets are decided text by text, under wrong labels too ([`tree`]); and one item that cannot be read
//! does not spoil the document. Items of a list that are written alike are read by comparison ([`layout_cache`]). UTF-16
//! becomes UTF-8 in front ([`transcode`]); nothing else knows of it. What is read is a safe subset: no document type, no
//! processing instructions, at most [`MAX_DEPTH`] levels, every end tag the right one.

mod entities;
mod input;
mod layout_cache;
mod reader;
mod tag;
#[cfg(test)]
mod tests;
mod transcode;
mod tree;
mod writer;

pub(crate) use layout_cache::LayoutCache;
pub(crate) use reader::{DocumentReader, Malformed, Token, Tokens};
pub(crate) use tree::{Anomaly, Element, Tree};
pub(crate) use writer::Writer;

/// How many elements may be open at once.
pub(crate) const MAX_DEPTH: usize = 8;

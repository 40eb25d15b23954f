//! XML as far as the legacy API needs it, read from chunks of any size.
//!
//! Reading is our own because three things are needed at once that libraries give one at a time: a document that arrives
//! in pieces is read in one pass without waiting for the next piece ([`tokenizer`]); character sets are settled value by
//! value, under wrong labels too ([`text`]); and one spoilt item does not spoil the document ([`tree`]). What is read is a
//! safe subset: no document type, no processing instructions, at most [`MAX_DEPTH`] levels, every end tag the right one.

mod shape;
mod source;
mod tag;
#[cfg(test)]
mod tests;
mod text;
mod tokenizer;
mod tree;
mod writer;

pub(crate) use shape::Shapes;
pub(crate) use tokenizer::{Malformed, Token, Tokenizer};
pub(crate) use tree::{Element, Oddity, Tree};
pub(crate) use writer::Writer;

/// How many elements may be open at once.
pub(crate) const MAX_DEPTH: usize = 8;

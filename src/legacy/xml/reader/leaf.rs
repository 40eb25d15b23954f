//! Takes an element with a short text and nothing else in one step, instead of as three tokens.
//!
//! Nearly all elements of an answer that is not a list are like that. Whatever is not, is left to [`Tokens::next`]: the two read
//! the same documents in the same way.

use super::Tokens;
use crate::legacy::xml::MAX_DEPTH;
use crate::legacy::xml::byte_kinds::{ByteKinds, name_length};
use crate::legacy::xml::tag::{has_valid_name_ends, is_white_space};

/// The longest text of a leaf, in bytes. Longer ones are searched with vector instructions.
const MAX_TEXT: usize = 256;

/// An element `<name>text</name>` without prefix and attributes, in UTF-8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'d> {
    /// `name>text`: copied in one piece.
    source: &'d str,
    name_length: usize,
    kinds: ByteKinds,
    follows_white_space: bool,
}

impl<'d> Tokens<'d> {
    /// Takes the next element if it is a leaf and has arrived completely.
    pub(crate) fn leaf(&mut self) -> Option<Leaf<'d>> {
        let progress = &*self.progress;
        let is_after_tag = progress.follows_tag && !progress.pending_end && !progress.in_void_element;
        if !is_after_tag || progress.search.is_some() || self.depth() == MAX_DEPTH {
            return None;
        }
        let (mut leaf, length) = Leaf::parse(self.pending_utf_8()?)?;
        leaf.follows_white_space |= self.progress.skipped_white_space;
        // As after its end tag.
        self.advance(length, true);
        self.progress.follows_white_space = false;
        Some(leaf)
    }

    /// The bytes from the next token on that are UTF-8. Each byte is checked once, however many elements there are.
    fn pending_utf_8(&mut self) -> Option<&'d str> {
        if self.progress.next >= self.utf_8_start + self.utf_8.len() {
            self.utf_8 = utf_8_prefix(self.pending());
            self.utf_8_start = self.progress.next;
        }
        self.utf_8.get(self.progress.next - self.utf_8_start..)
    }
}

impl<'d> Leaf<'d> {
    /// The leaf at the start of a text, after white space, and the length of both.
    fn parse(text: &'d str) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        let blank = bytes.iter().position(|byte| !is_white_space(*byte))?;
        let tag = bytes.get(blank..)?.strip_prefix(b"<")?;
        let (name, rest) = tag.split_at(name_length(tag));
        let content = rest.strip_prefix(b">").filter(|_| has_valid_name_ends(name))?;
        let (length, kinds) = ByteKinds::before_tag(content, MAX_TEXT)?;
        // White space alone is indentation.
        if length > 0 && kinds.is_blank() {
            return None;
        }
        let rest = content.get(length..)?.strip_prefix(b"</")?.strip_prefix(name)?.strip_prefix(b">")?;
        let start = blank + "<".len();
        let source = text.get(start..start + name.len() + ">".len() + length)?;
        Some((Self { source, name_length: name.len(), kinds, follows_white_space: blank > 0 }, bytes.len() - rest.len()))
    }

    pub(crate) const fn name(&self) -> &'d str {
        self.source.split_at(self.name_length).0
    }

    pub(crate) const fn text(&self) -> &'d str {
        self.source.split_at(self.name_length + ">".len()).1
    }

    /// Whether white space was skipped before it.
    pub(crate) const fn follows_white_space(&self) -> bool {
        self.follows_white_space
    }

    /// Its name and its text, with one byte between them.
    pub(in crate::legacy::xml) const fn source(&self) -> &'d str {
        self.source
    }

    /// What its text consists of.
    pub(in crate::legacy::xml) const fn kinds(&self) -> ByteKinds {
        self.kinds
    }
}

/// The longest beginning of these bytes that is UTF-8.
fn utf_8_prefix(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|error| {
        let valid = bytes.split_at(error.valid_up_to()).0;
        std::str::from_utf8(valid).unwrap_or_default()
    })
}

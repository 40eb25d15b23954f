//! Reads plain tags, and an element with a short text and nothing else in one step instead of as three tokens.
//!
//! Nearly all of an answer that is not a list is like that. Whatever is not, is left to [`Tokens::next`]: both read the same
//! documents in the same way.

use super::{Malformed, Token, Tokens};
use crate::legacy::xml::MAX_DEPTH;
use crate::legacy::xml::byte_kinds::{ByteKinds, name_length};
use crate::legacy::xml::tag::{has_valid_name_ends, is_white_space};

/// The longest text of a leaf, in bytes. Longer ones are searched with vector instructions.
const MAX_TEXT: usize = 256;

/// An element `<name>text</name>` without prefix and attributes, in UTF-8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'d> {
    pub(crate) name: &'d str,
    /// Not only white space.
    pub(crate) text: &'d str,
    /// Its name and its text with one byte between them, to be copied in one piece.
    pub(in crate::legacy::xml) source: &'d str,
    /// What its text consists of.
    pub(in crate::legacy::xml) kinds: ByteKinds,
}

/// A token, or three that are a leaf.
#[derive(Debug)]
pub(crate) enum Part<'d> {
    Token(Token<'d>),
    Leaf(Leaf<'d>),
}

impl<'d> Tokens<'d> {
    /// The next leaf or token; `None` if it has not arrived completely.
    pub(crate) fn next_part(&mut self) -> Result<Option<Part<'d>>, Malformed> {
        match self.plain_part()? {
            Some(part) => Ok(Some(part)),
            None => Ok(self.next()?.map(Part::Token)),
        }
    }

    /// The next part if it is a leaf or a plain tag after another tag.
    fn plain_part(&mut self) -> Result<Option<Part<'d>>, Malformed> {
        let progress = &*self.progress;
        let is_after_tag = progress.follows_tag && !progress.pending_end && !progress.in_void_element;
        if !is_after_tag || progress.search.is_some() {
            return Ok(None);
        }
        let Some(text) = self.pending_utf_8() else { return Ok(None) };
        let blank = white_space_length(text.as_bytes());
        match text.as_bytes().get(blank..) {
            Some([b'<', b'/', tag @ ..]) => {
                let Some(length) = self.innermost_length(tag) else { return Ok(None) };
                self.advance_after(blank, "</".len() + length);
                self.close();
                Ok(Some(Part::Token(Token::End)))
            }
            Some([b'<', tag @ ..]) => {
                let Some(name) = plain_name(tag).filter(|_| self.depth() < MAX_DEPTH) else { return Ok(None) };
                let start = blank + "<".len();
                if let Some((leaf, length)) = Leaf::parse(text, start, name) {
                    self.advance_after(blank, "<".len() + length);
                    return Ok(Some(Part::Leaf(leaf)));
                }
                self.advance_after(blank, "<".len() + name.len() + ">".len());
                self.open(name, 0, false).map(|token| Some(Part::Token(token)))
            }
            _ => Ok(None),
        }
    }

    /// The length of the end tag of the innermost element, after its `</`, if it is what these bytes begin with.
    fn innermost_length(&self, tag: &[u8]) -> Option<usize> {
        let name = self.progress.open.innermost()?;
        let (found, rest) = tag.split_at_checked(name.len())?;
        (rest.first() == Some(&b'>') && found == name).then_some(name.len() + ">".len())
    }

    /// Moves behind white space and tags of these lengths.
    const fn advance_after(&mut self, blank: usize, length: usize) {
        self.progress.next += blank;
        self.progress.skipped_white_space |= blank > 0;
        self.advance(length, true);
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
    /// The leaf whose name starts here in a text, and the length of what follows from there to its end.
    fn parse(text: &'d str, start: usize, name: &[u8]) -> Option<(Self, usize)> {
        let content = start + name.len() + ">".len();
        let bytes = text.as_bytes().get(content..)?;
        let (length, kinds) = ByteKinds::before_tag(bytes, MAX_TEXT)?;
        // White space alone is indentation.
        if length > 0 && kinds.is_blank() {
            return None;
        }
        let Some([b'<', b'/', tag @ ..]) = bytes.get(length..) else { return None };
        let (found, rest) = tag.split_at_checked(name.len())?;
        if rest.first() != Some(&b'>') || found != name {
            return None;
        }
        let source = text.get(start..content + length)?;
        let (name, text) = (source.get(..name.len())?, source.get(name.len() + ">".len()..)?);
        let length = source.len() + "</>".len() + name.len();
        Some((Self { name, text, source, kinds }, length))
    }
}

/// The length of the white space at the start of a text, usually a line end and some spaces.
fn white_space_length(text: &[u8]) -> usize {
    const SPACES: [u8; 8] = [b' '; 8];
    let mut length = 0;
    loop {
        match text.get(length..) {
            Some(rest) if rest.first_chunk() == Some(&SPACES) => length += SPACES.len(),
            Some([byte, ..]) if is_white_space(*byte) => length += 1,
            _ => return length,
        }
    }
}

/// The name that a start tag begins with, after its `<`, if it has no prefix and nothing follows it in the tag.
fn plain_name(tag: &[u8]) -> Option<&[u8]> {
    let (name, rest) = tag.split_at_checked(name_length(tag))?;
    (rest.first() == Some(&b'>') && has_valid_name_ends(name)).then_some(name)
}

/// The longest beginning of these bytes that is UTF-8.
fn utf_8_prefix(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|error| {
        let valid = bytes.split_at(error.valid_up_to()).0;
        std::str::from_utf8(valid).unwrap_or_default()
    })
}

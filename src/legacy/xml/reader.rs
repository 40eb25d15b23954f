//! Reads a document that arrives in chunks of any size, token by token.
//!
//! Accepted is a safe subset of XML. Document type declarations, processing instructions, more than [`MAX_DEPTH`] levels,
//! invalid names and attributes, end tags that do not match, and data around the root element are rejected. What carries no
//! data there is skipped and reported ([`DocumentReader::has_stray_bytes`]): byte order marks, and after the root element
//! NULs, the end-of-file character of DOS and processing instructions. A `<br>` or another void element of HTML without end tag
//! ends before the next tag. Bytes that are not ASCII may occur in names and texts; the character set is decided for each value,
//! by the tree.
//!
//! | stage | token | next stage |
//! | --- | --- | --- |
//! | `Start` | XML declaration | `Prolog` |
//! | `Start`, `Prolog` | start tag | `Root` |
//! | `Root` | start tag, end tag of another element, text, CDATA section | `Root` |
//! | `Root` | end tag of the root element | `Epilog` |
//! | `Epilog` | processing instruction, but no XML declaration | `Epilog` |
//! | any | comment; what carries no data outside the root element | unchanged |
//!
//! Everything else is [`Malformed`].
//!
//! [`Tokens::next_part`] takes a start tag, a text and an end tag in one step.
//!
//! Why not quick-xml's `Reader`: it needs slices of complete tokens in UTF-8, so the search for the end of incomplete tokens
//! would be needed in front of it anyway, and with both one order took 1.7 times the instructions (`benches/README.md`). Only
//! its search for the end of a tag with quoted values is used.

mod leaf;

use std::borrow::Cow;

pub(crate) use leaf::{Leaf, Part};

use super::MAX_DEPTH;
use super::input::InputBuffer;
use super::layout_cache::{LayoutCache, MatchedItem};
use super::open_elements::OpenElements;
use super::tag::{each_attribute, has_valid_name_ends, is_white_space, split_name};
use super::token::{Malformed, Token, TokenKind, TokenSearch};
use crate::model::ShortText;

const INVALID_NAME: Malformed = Malformed("a tag has an invalid name");
const PROCESSING_INSTRUCTION: Malformed = Malformed("it has a processing instruction");
/// What fills up a document after its end: NULs, and the end-of-file character of DOS.
const PADDING: &[u8] = b"\0\x1a";
/// Void elements of HTML, which people write without an end tag.
const VOID_ELEMENTS: [&[u8]; 4] = [b"br", b"hr", b"img", b"wbr"];
const TRAILING_CONTENT: Malformed = Malformed("it has content after its root element");

/// A document that arrives in chunks.
#[derive(Debug)]
pub(crate) struct DocumentReader {
    input: InputBuffer,
    progress: Progress,
}

/// How far a document was read.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
struct Progress {
    stage: Stage,
    /// Where in the input the next token begins.
    next: usize,
    /// Where the last token began, in bytes from the start of the document.
    token_start: u64,
    open: OpenElements,
    /// Whether the last token was the start tag of an empty element, whose end comes next.
    pending_end: bool,
    /// Whether the last token was a tag.
    follows_tag: bool,
    /// Whether white space was skipped before the next token, and whether it was before the last one.
    skipped_white_space: bool,
    follows_white_space: bool,
    /// Whether the innermost open element may have no end tag.
    in_void_element: bool,
    /// Whether there was a UTF-8 byte order mark before the root element.
    has_bom: bool,
    has_stray_bytes: bool,
    /// The search for the end of the next token, if only a part of the token has arrived.
    search: Option<TokenSearch>,
    declared_encoding: Option<ShortText>,
}

/// Which part of a document is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Start,
    /// After the XML declaration.
    Prolog,
    /// In the root element.
    Root,
    /// After the root element.
    Epilog,
}

impl DocumentReader {
    pub(crate) fn new() -> Self {
        Self { input: InputBuffer::new(), progress: Progress::default() }
    }

    /// Appends the next chunk of the document.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.input.push(chunk, std::mem::take(&mut self.progress.next));
    }

    /// The tokens that have arrived completely.
    pub(crate) fn tokens(&mut self) -> Tokens<'_> {
        Tokens {
            bytes: self.input.bytes(),
            dropped: self.input.dropped(),
            has_bom: self.input.has_bom(),
            progress: &mut self.progress,
            utf_8: "",
            utf_8_start: 0,
        }
    }

    /// The tokens of the next chunk, read where it is, if that is possible. [`Self::keep`] must follow; if it is not possible,
    /// [`Self::push`].
    pub(crate) fn tokens_of<'d>(&'d mut self, chunk: &'d [u8]) -> Option<Tokens<'d>> {
        if !self.input.passes(chunk, self.progress.next) {
            return None;
        }
        self.progress.next = 0;
        let (dropped, has_bom) = (self.input.dropped(), self.input.has_bom());
        Some(Tokens { bytes: chunk, dropped, has_bom, progress: &mut self.progress, utf_8: "", utf_8_start: 0 })
    }

    /// Keeps what of a chunk has not been read where it is.
    pub(crate) fn keep(&mut self, chunk: &[u8]) {
        let used = std::mem::take(&mut self.progress.next);
        let rest = chunk.split_at(used).1;
        if self.progress.stage == Stage::Epilog && rest.iter().all(u8::is_ascii_whitespace) {
            // The line end after nearly all documents: it has no meaning, whatever follows.
            self.progress.search = None;
            self.input.keep(&[], chunk.len());
        } else {
            self.input.keep(rest, used);
        }
    }

    /// Checks that the document is complete. Nothing can be pushed after this.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        self.input.finish();
        if self.pushed() == 0 {
            return Err(Malformed("it is empty"));
        }
        if self.progress.stage != Stage::Epilog || self.progress.pending_end {
            return Err(Malformed("it is truncated"));
        }
        let rest = self.input.bytes().split_at(self.progress.next).1;
        self.progress.check_text_outside(rest)
    }

    /// Whether there was something beside the root element that XML does not allow there and that carries no data.
    pub(crate) const fn has_stray_bytes(&self) -> bool {
        self.progress.has_stray_bytes
    }

    /// Where the next token begins, in bytes from the start of the document.
    pub(crate) fn position(&self) -> u64 {
        self.input.dropped() + self.progress.next as u64
    }

    /// Bytes of memory that it holds.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.input.held_bytes()
    }

    /// Number of bytes pushed so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.input.dropped() + self.input.len() as u64
    }
}

/// The tokens of a [`DocumentReader`] that have arrived completely.
#[derive(Debug)]
pub(crate) struct Tokens<'d> {
    /// The part of the document that is in the buffer.
    bytes: &'d [u8],
    /// Number of bytes of the document before `bytes`.
    dropped: u64,
    has_bom: bool,
    progress: &'d mut Progress,
    /// A part of `bytes` that is UTF-8, and where it begins.
    utf_8: &'d str,
    utf_8_start: usize,
}

impl Progress {
    /// Checks text outside the root element.
    fn check_text_outside(&mut self, text: &[u8]) -> Result<(), Malformed> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.has_stray_bytes = true;
        match self.stage {
            Stage::Epilog if carries_no_data(text, PADDING) => Ok(()),
            Stage::Epilog => Err(TRAILING_CONTENT),
            Stage::Start | Stage::Prolog | Stage::Root if carries_no_data(text, &[]) => {
                self.has_bom = true;
                Ok(())
            }
            Stage::Start | Stage::Prolog | Stage::Root => Err(Malformed("it has text before its root element")),
        }
    }
}

impl<'d> Tokens<'d> {
    /// The next token; `None` if it has not arrived completely.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'d>>, Malformed> {
        if std::mem::take(&mut self.progress.pending_end) {
            self.progress.follows_white_space = false;
            self.close();
            return Ok(Some(Token::End));
        }
        loop {
            if self.progress.search.is_none() {
                if self.progress.follows_tag {
                    self.skip_indentation();
                }
                if self.progress.in_void_element && self.is_at_start_tag() {
                    self.close();
                    return Ok(Some(Token::End));
                }
                if let Some(token) = self.plain_tag()? {
                    return Ok(Some(token));
                }
            }
            let Some((kind, content)) = self.take()? else { return Ok(None) };
            match kind {
                TokenKind::StartTag => return self.start_tag(content).map(Some),
                TokenKind::EndTag => {
                    // Whether it ends an element without end tag and the one around it.
                    let ends_two = self.progress.in_void_element && !self.is_innermost(content);
                    if ends_two {
                        self.close();
                    }
                    self.check_end_tag(content)?;
                    if ends_two {
                        self.progress.pending_end = true;
                    } else {
                        self.close();
                    }
                    return Ok(Some(Token::End));
                }
                TokenKind::Text if self.progress.stage == Stage::Root => return Ok(Some(Token::Text(content))),
                TokenKind::Text => self.progress.check_text_outside(content)?,
                TokenKind::Data if self.progress.stage == Stage::Root => return Ok(Some(Token::Data(content))),
                TokenKind::Data => return Err(Malformed("it has text outside its root element")),
                TokenKind::Declaration => self.read_declaration(content)?,
                TokenKind::Comment => {}
            }
        }
    }

    /// The next list item, if it has the layout of an earlier one and has arrived completely. To be called directly after the end
    /// tag of an item. It is not taken yet. The texts of a guess may have markup in them.
    pub(crate) fn match_item<'c>(&self, layouts: &'c mut LayoutCache, is_guess: bool) -> Option<MatchedItem<'c, 'd>> {
        // An item with a layout adds two levels: itself and its leaves.
        if self.progress.pending_end || !self.progress.follows_tag || !(1..=MAX_DEPTH - 2).contains(&self.depth()) {
            return None;
        }
        layouts.match_item(self.pending(), is_guess)
    }

    /// Takes an item that matched.
    pub(crate) fn take_item(&mut self, item: &MatchedItem<'_, 'd>) {
        self.progress.search = None;
        self.progress.next += item.length();
    }

    /// Remembers the layout of the element that has just ended and began at `start`, if all of it is still in the buffer.
    pub(crate) fn learn(&self, layouts: &mut LayoutCache, start: u64) {
        let start = start.checked_sub(self.dropped).and_then(|start| usize::try_from(start).ok());
        let split = start.and_then(|start| self.bytes.get(..self.progress.next)?.split_at_checked(start));
        if let Some((before, item)) = split {
            layouts.learn(before, item);
        }
    }

    /// Where the next token begins, in bytes from the start of the document.
    pub(crate) const fn position(&self) -> u64 {
        self.dropped + self.progress.next as u64
    }

    /// Where the last token began, in bytes from the start of the document.
    pub(crate) const fn token_start(&self) -> u64 {
        self.progress.token_start
    }

    /// Whether a byte order mark determines the character set; the bytes are UTF-8 then.
    pub(crate) const fn has_bom(&self) -> bool {
        self.has_bom || self.progress.has_bom
    }

    /// Whether white space was skipped before the last token.
    pub(crate) const fn follows_white_space(&self) -> bool {
        self.progress.follows_white_space
    }

    /// Number of open elements.
    pub(crate) const fn depth(&self) -> usize {
        self.progress.open.depth()
    }

    /// The encoding in the XML declaration. Known before the first token.
    pub(crate) fn declared_encoding(&self) -> Option<&str> {
        self.progress.declared_encoding.as_deref()
    }

    /// The bytes from the next token on.
    fn pending(&self) -> &'d [u8] {
        self.bytes.split_at(self.progress.next).1
    }

    /// The content of the next token, without delimiters; `None` if it has not arrived completely.
    fn take(&mut self) -> Result<Option<(TokenKind, &'d [u8])>, Malformed> {
        let pending = self.pending();
        let search = match self.progress.search.take() {
            Some(search) => Some(search),
            None => TokenSearch::new(pending)?,
        };
        let Some(mut search) = search else { return Ok(None) };
        let Some(length) = search.find_end(pending)? else {
            self.progress.search = Some(search);
            return Ok(None);
        };
        self.advance(length, matches!(search.kind, TokenKind::StartTag | TokenKind::EndTag));
        let (opening, closing) = search.kind.delimiters();
        let content = pending.split_at(length - closing.len()).0.split_at(opening.len()).1;
        Ok(Some((search.kind, content)))
    }

    /// Skips white space directly between two tags. Beside a comment or a CDATA section it may be part of a text.
    fn skip_indentation(&mut self) {
        let pending = self.pending();
        let blank = pending.iter().position(|byte| !is_white_space(*byte)).unwrap_or(pending.len());
        if let Some([b'<', next, ..]) = pending.get(blank..)
            && *next != b'!'
            && blank > 0
        {
            self.progress.next += blank;
            self.progress.skipped_white_space = true;
        }
    }

    fn is_at_start_tag(&self) -> bool {
        matches!(self.pending(), [b'<', next, ..] if !matches!(next, b'/' | b'!' | b'?'))
    }

    fn read_declaration(&mut self, content: &[u8]) -> Result<(), Malformed> {
        let attributes = content.strip_prefix(b"xml").filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace));
        if self.progress.stage == Stage::Epilog && attributes.is_none() {
            self.progress.has_stray_bytes = true;
            return Ok(());
        }
        let (Some(attributes), Stage::Start) = (attributes, self.progress.stage) else { return Err(PROCESSING_INSTRUCTION) };
        let mut encoding = None;
        each_attribute(attributes, |name, value| {
            if name == b"encoding" {
                encoding = Some(ShortText::from(String::from_utf8_lossy(value)));
            }
        })?;
        self.progress.declared_encoding = encoding;
        self.progress.stage = Stage::Prolog;
        Ok(())
    }

    /// Takes a complete tag that is a name and nothing else. Nearly all tags are, and this needs no search for their end.
    fn plain_tag(&mut self) -> Result<Option<Token<'d>>, Malformed> {
        let pending = self.pending();
        if let Some(tag) = pending.strip_prefix(b"</") {
            let is_end = |name: &&[u8]| tag.strip_prefix(*name).is_some_and(|rest| rest.first() == Some(&b'>'));
            if let Some(length) = self.progress.open.innermost().filter(is_end).map(<[u8]>::len) {
                self.advance("</".len() + length + ">".len(), true);
                self.close();
                return Ok(Some(Token::End));
            }
        } else if let Some(tag) = pending.strip_prefix(b"<") {
            let (name, prefix) = split_name(tag);
            if tag.get(name.len()) == Some(&b'>') {
                self.advance("<".len() + name.len() + ">".len(), true);
                return self.open(name, prefix, false).map(Some);
            }
        }
        Ok(None)
    }

    /// Moves behind a token of this length.
    const fn advance(&mut self, length: usize, is_tag: bool) {
        self.progress.token_start = self.position();
        self.progress.next += length;
        self.progress.follows_tag = is_tag;
        self.progress.follows_white_space = std::mem::replace(&mut self.progress.skipped_white_space, false);
    }

    /// Opens the element whose start tag has this content.
    fn start_tag(&mut self, tag: &'d [u8]) -> Result<Token<'d>, Malformed> {
        let (tag, is_empty) = tag.strip_suffix(b"/").map_or((tag, false), |tag| (tag, true));
        let (name, prefix) = split_name(tag);
        let rest = tag.split_at(name.len()).1;
        if !has_valid_name_ends(name) || rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err(INVALID_NAME);
        }
        let mut attributes = false;
        each_attribute(rest, |_, _| attributes = true)?;
        let token = self.open(name, prefix, attributes)?;
        self.progress.pending_end = is_empty;
        Ok(token)
    }

    /// Opens an element whose name begins with a prefix of this length.
    fn open(&mut self, name: &'d [u8], prefix: usize, attributes: bool) -> Result<Token<'d>, Malformed> {
        if self.progress.stage == Stage::Epilog {
            return Err(Malformed("it has a second root element"));
        }
        if self.depth() == MAX_DEPTH {
            return Err(Malformed("its elements are nested too deep"));
        }
        if !has_valid_name_ends(name) {
            return Err(INVALID_NAME);
        }
        self.progress.open.push(name);
        self.progress.in_void_element = VOID_ELEMENTS.iter().any(|void| name.eq_ignore_ascii_case(void));
        self.progress.stage = Stage::Root;
        let local = name.split_at(prefix).1;
        let name = std::str::from_utf8(local).map_or_else(|_| String::from_utf8_lossy(local), Cow::Borrowed);
        Ok(Token::Start { name, attributes })
    }

    fn check_end_tag(&self, name: &[u8]) -> Result<(), Malformed> {
        if self.is_innermost(name) { Ok(()) } else { Err(Malformed("its start and end tags do not match")) }
    }

    fn is_innermost(&self, name: &[u8]) -> bool {
        self.progress.open.innermost() == Some(name.trim_ascii_end())
    }

    /// Closes the innermost element.
    fn close(&mut self) {
        self.progress.in_void_element = false;
        self.progress.open.pop();
        if self.depth() == 0 {
            self.progress.stage = Stage::Epilog;
        }
    }
}

/// Whether bytes are only white space, byte order marks and these.
pub(crate) fn carries_no_data(mut bytes: &[u8], others: &[u8]) -> bool {
    const BOM: &[u8] = "\u{feff}".as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = match bytes.strip_prefix(BOM) {
            Some(rest) => rest,
            None if first.is_ascii_whitespace() || others.contains(first) => rest,
            None => return false,
        };
    }
    true
}

//! Cuts a document that arrives in pieces into tags and texts.

use memchr::memmem;

use super::MAX_DEPTH;
use super::shape::{Flat, Shapes};
use super::source::Source;
use super::tag::{each_attribute, has_ends_of_name, is_name, is_name_byte};
use crate::backend::Error;

/// A document that is no XML, or none that is accepted here. Says what is wrong, never with text from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for Error {
    fn from(Malformed(reason): Malformed) -> Self {
        Self::InvalidResponse { reason }
    }
}

/// One piece of a document. Comments and the XML declaration are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// An element begins. An empty one (`<a/>`) is followed by its [`Token::End`].
    Start {
        /// Its name without prefix.
        name: Span,
        /// Whether it has attributes.
        attributes: bool,
    },
    /// The innermost open element ends.
    End,
    /// An element without attributes that has a text and nothing else: nearly every element is one.
    Leaf {
        /// Its name without prefix, a `>`, and its text with entities unresolved.
        whole: Span,
        /// The length of the name.
        name: usize,
    },
    /// Text between tags, in the document's bytes, entities unresolved.
    Text(Span),
    /// The inside of a CDATA section, in the document's bytes.
    Data(Span),
}

/// A place in the bytes that a tokenizer holds; good for [`Tokenizer::bytes`] until the next push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

/// What stands between two positions that were found to belong together.
#[derive(Debug, Clone, Copy)]
enum Markup {
    Start,
    End,
    Text,
    Comment,
    Data,
    Declaration,
}

/// A reader of pieces. It keeps what it has not used and how far it has looked, so that a document that trickles in byte
/// by byte costs no more than one that comes at once.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about something else")]
pub(crate) struct Tokenizer {
    source: Source,
    /// Where the last token began, in bytes from the start of the document.
    token_start: u64,
    /// Where in the source the next token begins.
    next: usize,
    /// How far the end of that token was looked for.
    searched: usize,
    /// The quote that is open at `searched`, inside a start tag.
    quote: Option<u8>,
    /// Names with prefix of the open elements, one after the other, and where each ends.
    open_names: Vec<u8>,
    open_ends: Vec<usize>,
    /// The element that has just begun was an empty one.
    end_is_due: bool,
    /// Whether a tag stands directly before the next token.
    follows_tag: bool,
    begun: bool,
    root_is_over: bool,
    declared_encoding: Option<String>,
}

impl Tokenizer {
    pub(crate) const fn new() -> Self {
        Self {
            source: Source::new(),
            token_start: 0,
            next: 0,
            searched: 0,
            quote: None,
            open_names: Vec::new(),
            open_ends: Vec::new(),
            end_is_due: false,
            follows_tag: false,
            begun: false,
            root_is_over: false,
            declared_encoding: None,
        }
    }

    /// Takes the next piece of the document.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.source.push(bytes, self.next);
        self.searched = self.searched.saturating_sub(self.next);
        self.next = 0;
    }

    /// The next token, or `None` when more of the document is needed for it. Leaves come in one piece, when they are all
    /// there, and white space between tags does not come.
    pub(crate) fn token_or_leaf(&mut self) -> Result<Option<Token>, Malformed> {
        // What was looked at before and was not all there is left to the search that remembers how far it came.
        let is_new = self.searched <= self.next;
        if is_new && !self.end_is_due && self.source.is_settled() && !self.open_ends.is_empty() {
            if self.follows_tag {
                self.skip_indentation();
            }
            if let Some(leaf) = self.leaf() {
                return Ok(Some(leaf));
            }
        }
        self.token()
    }

    /// The next token, or `None` when more of the document is needed for it.
    pub(crate) fn token(&mut self) -> Result<Option<Token>, Malformed> {
        if std::mem::take(&mut self.end_is_due) {
            self.close();
            return Ok(Some(Token::End));
        }
        if !self.source.is_settled() {
            return Ok(None);
        }
        loop {
            let Some((markup, length)) = self.measure()? else { return Ok(None) };
            let start = self.next;
            self.token_start = self.position();
            self.next += length;
            self.searched = self.next;
            self.follows_tag = matches!(markup, Markup::Start | Markup::End);
            match markup {
                Markup::Comment => {}
                Markup::Declaration => self.read_declaration(start)?,
                Markup::Text if self.open_ends.is_empty() => self.check_text_outside(start)?,
                Markup::Text => return Ok(Some(Token::Text(Span { start, end: self.next }))),
                Markup::Data if self.open_ends.is_empty() => return Err(Malformed("it has text outside its root element")),
                Markup::Data => {
                    let (start, end) = (start + "<![CDATA[".len(), self.next - "]]>".len());
                    return Ok(Some(Token::Data(Span { start, end })));
                }
                Markup::End => {
                    self.check_end_tag(start)?;
                    self.close();
                    return Ok(Some(Token::End));
                }
                Markup::Start => {
                    let (name, attributes) = self.open(start)?;
                    return Ok(Some(Token::Start { name, attributes }));
                }
            }
        }
    }

    /// Everything that is left of the element that has just begun, when it has a known shape and is all there: where that is,
    /// and what it consists of. The element is over then.
    pub(crate) fn rest_by_shape<'s>(&mut self, shapes: &'s mut Shapes) -> Option<(Span, Flat<'s>)> {
        if self.end_is_due || self.open_ends.len() >= MAX_DEPTH {
            return None;
        }
        let flat = shapes.read(self.pending())?;
        let whole = Span { start: self.next, end: self.next + flat.length };
        self.token_start = self.position();
        self.next = whole.end;
        self.searched = whole.end;
        self.follows_tag = true;
        self.close();
        Some((whole, flat))
    }

    /// Remembers the shape of the element that has just ended and began at `start`, if it is still all there.
    pub(crate) fn learn(&self, shapes: &mut Shapes, start: u64) {
        let start = start.checked_sub(self.source.dropped()).and_then(|start| usize::try_from(start).ok());
        let element = start.and_then(|start| self.source.bytes(start..self.next).strip_prefix(b"<"));
        let Some(element) = element else { return };
        let name = element.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(0);
        let (name, rest) = element.split_at(name);
        if let Some(rest) = rest.strip_prefix(b">") {
            shapes.learn(name, rest);
        }
    }

    /// The bytes of a name or a text.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.source.bytes(span.start..span.end)
    }

    /// Whether the document ended where a document may end. Nothing can be pushed after it.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        self.source.finish();
        if self.pushed() == 0 {
            return Err(Malformed("it is empty"));
        }
        let rest_is_blank = self.pending().iter().all(u8::is_ascii_whitespace);
        if self.root_is_over && rest_is_blank && !self.end_is_due {
            return Ok(());
        }
        if self.root_is_over { Err(Malformed("something follows the document")) } else { Err(Malformed("it ends early")) }
    }

    /// Where the next token begins, in bytes from the start of the document.
    pub(crate) fn position(&self) -> u64 {
        self.source.dropped() + self.next as u64
    }

    /// Where the last token began, in bytes from the start of the document.
    pub(crate) const fn token_start(&self) -> u64 {
        self.token_start
    }

    /// How many bytes came in so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.source.dropped() + self.source.len() as u64
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.open_ends.len()
    }

    /// Whether a byte order mark settled the character set.
    pub(crate) fn is_marked_utf_8(&self) -> bool {
        self.source.is_marked_utf_8()
    }

    /// The encoding in the XML declaration. Known before the first token.
    pub(crate) fn declared_encoding(&self) -> Option<&str> {
        self.declared_encoding.as_deref()
    }

    /// White space directly between two tags means nothing. Beside a comment or a CDATA section it may belong to a text.
    fn skip_indentation(&mut self) {
        let pending = self.pending();
        let blank = pending.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(pending.len());
        if blank > 0 && matches!(pending.get(blank..), Some([b'<', next, ..]) if *next != b'!') {
            self.next += blank;
            self.searched = self.next;
        }
    }

    /// A leaf that is all there and has a plain tag. Everything else is left to [`Self::token`], which knows all cases.
    fn leaf(&mut self) -> Option<Token> {
        let (tag, rest) = self
            .pending()
            .strip_prefix(b"<")?
            .split_at_checked(self.pending().get(1..)?.iter().position(|byte| !is_name_byte(*byte))?)?;
        let rest = rest.strip_prefix(b">")?;
        let text = memchr::memchr(b'<', rest)?;
        let end = rest.get(text..)?.strip_prefix(b"</")?.strip_prefix(tag)?.first();
        if end != Some(&b'>') || !has_ends_of_name(tag) || self.open_ends.len() >= MAX_DEPTH {
            return None;
        }
        let prefix = memchr::memchr(b':', tag).map_or(0, |colon| colon + 1);
        let name = tag.len() - prefix;
        let start = self.next + 1 + prefix;
        let whole = Span { start, end: start + name + 1 + text };
        let after = whole.end + "</>".len() + tag.len();
        self.token_start = self.position();
        self.next = after;
        self.searched = after;
        self.follows_tag = true;
        Some(Token::Leaf { whole, name })
    }

    fn pending(&self) -> &[u8] {
        self.source.bytes(self.next..)
    }

    /// The token that began at `start` without so many bytes at its ends.
    fn slice(&self, start: usize, before: usize, after: usize) -> &[u8] {
        self.source.bytes(start + before..self.next - after)
    }

    /// What comes next and how long it is, once all of it is there.
    fn measure(&mut self) -> Result<Option<(Markup, usize)>, Malformed> {
        let rest = self.pending();
        let markup = match rest {
            [] | [b'<'] => return Ok(None),
            [b'<', b'/', ..] => Markup::End,
            [b'<', b'?', ..] => Markup::Declaration,
            [b'<', b'!', ..] => match exclamation(rest)? {
                Some(markup) => markup,
                None => return Ok(None),
            },
            [b'<', ..] => Markup::Start,
            _ => Markup::Text,
        };
        let from = self.searched.max(self.next);
        let unseen = self.source.bytes(from..);
        let end = match markup {
            Markup::Text => memchr::memchr(b'<', unseen).map(|at| from + at),
            Markup::End => memchr::memchr(b'>', unseen).map(|at| from + at + 1),
            Markup::Start => self.end_of_start_tag(from)?,
            Markup::Declaration => self.end_of("<?xml", "?>"),
            Markup::Comment => self.end_of("<!--", "-->"),
            Markup::Data => self.end_of("<![CDATA[", "]]>"),
        };
        if let Some(end) = end {
            Ok(Some((markup, end - self.next)))
        } else {
            self.searched = self.source.len();
            Ok(None)
        }
    }

    /// The position after a closing sequence, which may have begun in an earlier piece but not inside the opening one.
    fn end_of(&self, opening: &str, closing: &str) -> Option<usize> {
        let from = self.searched.saturating_sub(closing.len() - 1).max(self.next + opening.len());
        let unseen = self.source.bytes(from..);
        memmem::find(unseen, closing.as_bytes()).map(|at| from + at + closing.len())
    }

    /// The position after a start tag: `>` inside a quoted attribute value does not end it.
    fn end_of_start_tag(&mut self, from: usize) -> Result<Option<usize>, Malformed> {
        let mut at = from.max(self.next + 1);
        loop {
            let unseen = self.source.bytes(at..);
            let found = match self.quote {
                Some(quote) => memchr::memchr2(quote, b'<', unseen),
                None => unseen.iter().position(|byte| matches!(byte, b'>' | b'<' | b'"' | b'\'')),
            };
            let Some(offset) = found else { return Ok(None) };
            at += offset + 1;
            match (self.source.bytes(at - 1..).first(), self.quote) {
                (Some(b'<'), _) => return Err(Malformed("a tag stands inside a tag")),
                (Some(b'>'), None) => return Ok(Some(at)),
                (_, Some(_)) => self.quote = None,
                (byte, None) => self.quote = byte.copied(),
            }
        }
    }

    fn read_declaration(&mut self, start: usize) -> Result<(), Malformed> {
        let inside = self.slice(start, 0, "?>".len());
        let is_declaration =
            inside.strip_prefix(b"<?xml").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_whitespace));
        if self.begun || !is_declaration {
            return Err(Malformed("it has a processing instruction"));
        }
        let mut encoding = None;
        each_attribute(inside.get("<?xml".len()..).unwrap_or_default(), |name, value| {
            if name == b"encoding" {
                encoding = Some(String::from_utf8_lossy(value).into_owned());
            }
        })?;
        self.declared_encoding = encoding;
        self.begun = true;
        Ok(())
    }

    fn check_text_outside(&self, start: usize) -> Result<(), Malformed> {
        if self.slice(start, 0, 0).iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        Err(Malformed(if self.root_is_over { "something follows the document" } else { "something precedes the document" }))
    }

    /// Opens the element whose start tag begins at `start`: its name without prefix, and whether it has attributes.
    fn open(&mut self, start: usize) -> Result<(Span, bool), Malformed> {
        if self.root_is_over {
            return Err(Malformed("it has a second root element"));
        }
        if self.open_ends.len() == MAX_DEPTH {
            return Err(Malformed("its elements are nested too deep"));
        }
        let inside = self.slice(start, 1, 1);
        let (inside, is_empty) = inside.strip_suffix(b"/").map_or((inside, false), |inside| (inside, true));
        let length = inside.iter().position(u8::is_ascii_whitespace).unwrap_or(inside.len());
        let (name, rest) = inside.split_at(length);
        if !is_name(name) {
            return Err(Malformed("a tag has no proper name"));
        }
        let mut has_attributes = false;
        each_attribute(rest, |_, _| has_attributes = true)?;
        let prefix = memchr::memchr(b':', name).map_or(0, |colon| colon + 1);
        self.open_names.extend_from_slice(self.source.bytes(start + 1..start + 1 + length));
        self.open_ends.push(self.open_names.len());
        self.begun = true;
        self.end_is_due = is_empty;
        Ok((Span { start: start + 1 + prefix, end: start + 1 + length }, has_attributes))
    }

    fn check_end_tag(&self, start: usize) -> Result<(), Malformed> {
        let name = self.slice(start, "</".len(), ">".len()).trim_ascii_end();
        let begin = self.open_ends.iter().rev().nth(1).copied().unwrap_or(0);
        if !self.open_ends.is_empty() && self.open_names.get(begin..) == Some(name) {
            return Ok(());
        }
        Err(Malformed("its start and end tags do not match"))
    }

    fn close(&mut self) {
        self.open_ends.pop();
        self.open_names.truncate(self.open_ends.last().copied().unwrap_or(0));
        self.root_is_over = self.open_ends.is_empty();
    }
}

/// Tells comments and CDATA sections, `None` while too little is there.
fn exclamation(rest: &[u8]) -> Result<Option<Markup>, Malformed> {
    let begins = |opening: &[u8]| rest.len() >= opening.len() && rest.starts_with(opening);
    let may_begin = |opening: &[u8]| rest.len() < opening.len() && opening.starts_with(rest);
    if begins(b"<!--") {
        Ok(Some(Markup::Comment))
    } else if begins(b"<![CDATA[") {
        Ok(Some(Markup::Data))
    } else if may_begin(b"<!--") || may_begin(b"<![CDATA[") {
        Ok(None)
    } else {
        Err(Malformed("it has a document type declaration"))
    }
}

//! Reads a document that arrives in chunks of any size, token by token.
//!
//! The first bytes of a token show its [`Kind`], and the kind what ends it. A token that is not all there keeps its
//! [`Search`], so that no byte is searched twice: a document that arrives byte by byte costs no more than one that arrives at
//! once. Not quick-xml's `Reader`: it takes whole UTF-8 slices, so this search is needed in front of it anyway, and with it
//! one order took 1.7 times the instructions (`benches/README.md`). Only its search for the end of a tag with quotes is used.
//!
//! What is read is a safe subset of XML. Document types, processing instructions, more than [`MAX_DEPTH`] levels, improper
//! names and attributes, end tags that do not match, and anything but white space and comments around the root element are
//! refused. Bytes that are not ASCII may stand in names and texts; their character set is decided for each text.
//!
//! | stage | token | next stage |
//! | --- | --- | --- |
//! | `Start` | XML declaration | `Prolog` |
//! | `Start`, `Prolog` | start tag | `Root` |
//! | `Root` | end tag of the root element | `Epilog` |
//! | any | comment; white space outside the root element | the same |
//! | `Root` | start tag, other end tag, text, CDATA section | the same |
//!
//! Everything else is [`Malformed`].

use std::borrow::Cow;

use memchr::memmem;
use quick_xml::parser::{ElementParser, Parser as _};

use super::MAX_DEPTH;
use super::input::InputBuffer;
use super::layout_cache::{LayoutCache, MatchedItem};
use super::tag::{each_attribute, has_ends_of_name, is_white_space, split_name};
use crate::backend::Error;

/// A document that is not XML, or not accepted here. Holds the reason, never text from the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

const IMPROPER_NAME: Malformed = Malformed("a tag has no proper name");
const PROCESSING_INSTRUCTION: Malformed = Malformed("it has a processing instruction");

impl From<Malformed> for Error {
    fn from(Malformed(reason): Malformed) -> Self {
        Self::InvalidResponse { reason }
    }
}

/// One piece of a document. Comments, the XML declaration and white space directly between tags are skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'d> {
    /// An element begins. An empty one (`<a/>`) is followed by its [`Token::End`].
    Start {
        /// Its name without prefix; replacement characters where it is not UTF-8.
        name: Cow<'d, str>,
        /// Whether it has attributes.
        attributes: bool,
    },
    /// The innermost open element ends.
    End,
    /// Text between tags, in the document's bytes, entities unresolved.
    Text(&'d [u8]),
    /// The inside of a CDATA section, in the document's bytes.
    Data(&'d [u8]),
}

/// A document in chunks.
#[derive(Debug)]
pub(crate) struct DocumentReader {
    input: InputBuffer,
    progress: Progress,
}

/// How far a document was read.
#[derive(Debug, Default)]
struct Progress {
    stage: Stage,
    /// Where in the input the next token begins.
    next: usize,
    /// Where the last token began, in bytes from the start of the document.
    token_start: u64,
    open: OpenElements,
    /// The last start tag was that of an empty element, whose end comes next.
    pending_end: bool,
    /// Whether the last token was a tag.
    follows_tag: bool,
    /// The search for the end of the next token, when a part of it is there.
    search: Option<Search>,
    declared_encoding: Option<String>,
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

/// The names with prefix of the open elements, one after the other, and where each ends.
#[derive(Debug, Default)]
struct OpenElements {
    names: Vec<u8>,
    ends: Vec<usize>,
}

impl OpenElements {
    /// The name with prefix of the innermost open element.
    fn innermost(&self) -> Option<&[u8]> {
        let begin = self.ends.iter().rev().nth(1).copied().unwrap_or(0);
        if self.ends.is_empty() { None } else { self.names.get(begin..) }
    }
}

impl DocumentReader {
    pub(crate) fn new() -> Self {
        Self { input: InputBuffer::new(), progress: Progress::default() }
    }

    /// Appends the next chunk of the document.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.input.push(chunk, std::mem::take(&mut self.progress.next));
    }

    /// The tokens that are all there.
    pub(crate) fn tokens(&mut self) -> Tokens<'_> {
        Tokens {
            bytes: self.input.bytes(),
            dropped: self.input.dropped(),
            is_marked_utf_8: self.input.is_marked_utf_8(),
            progress: &mut self.progress,
        }
    }

    /// Whether the document ended where a document may end. Nothing can be pushed after it.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        self.input.finish();
        if self.pushed() == 0 {
            return Err(Malformed("it is empty"));
        }
        if self.progress.stage != Stage::Epilog || self.progress.pending_end {
            return Err(Malformed("it ends early"));
        }
        let rest = self.input.bytes().get(self.progress.next..).unwrap_or_default();
        if rest.iter().all(u8::is_ascii_whitespace) { Ok(()) } else { Err(Malformed("something follows the document")) }
    }

    /// Where the next token begins, in bytes from the start of the document.
    pub(crate) fn position(&self) -> u64 {
        self.input.dropped() + self.progress.next as u64
    }

    /// How many bytes were pushed so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.input.dropped() + self.input.len() as u64
    }
}

/// The tokens of a [`DocumentReader`] that are all there.
#[derive(Debug)]
pub(crate) struct Tokens<'d> {
    /// What is here of the document.
    bytes: &'d [u8],
    /// How many bytes were dropped in front of them.
    dropped: u64,
    is_marked_utf_8: bool,
    progress: &'d mut Progress,
}

impl<'d> Tokens<'d> {
    /// The next token, or `None` when more of the document is needed for it.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'d>>, Malformed> {
        if std::mem::take(&mut self.progress.pending_end) {
            self.close();
            return Ok(Some(Token::End));
        }
        if self.progress.search.is_none() {
            if self.progress.follows_tag {
                self.skip_indentation();
            }
            if let Some(token) = self.plain_tag()? {
                return Ok(Some(token));
            }
        }
        while let Some((kind, token)) = self.take()? {
            match kind {
                Kind::StartTag => return self.start_tag(token).map(Some),
                Kind::EndTag => {
                    self.check_end_tag(token)?;
                    self.close();
                    return Ok(Some(Token::End));
                }
                Kind::Text if self.progress.stage == Stage::Root => return Ok(Some(Token::Text(token))),
                Kind::Text => self.check_text_outside(token)?,
                Kind::Data if self.progress.stage == Stage::Root => return Ok(Some(Token::Data(token))),
                Kind::Data => return Err(Malformed("it has text outside its root element")),
                Kind::Declaration => self.read_declaration(token)?,
                Kind::Comment => {}
            }
        }
        Ok(None)
    }

    /// Takes the next item of a list in one step when it looks like one before it and is all there. An item is looked for
    /// directly behind the end tag of another.
    pub(crate) fn match_item<'c>(&mut self, layouts: &'c mut LayoutCache) -> Option<MatchedItem<'c, 'd>> {
        // The deepest element of an item with a layout is one level below it.
        if self.progress.pending_end || !self.progress.follows_tag || !(1..=MAX_DEPTH - 2).contains(&self.depth()) {
            return None;
        }
        let item = layouts.read(self.bytes.get(self.progress.next..)?)?;
        self.progress.search = None;
        self.progress.next += item.length();
        Some(item)
    }

    /// Remembers the layout of the element that has just ended and began at `start`, if it is still all there.
    pub(crate) fn learn(&self, layouts: &mut LayoutCache, start: u64) {
        let start = start.checked_sub(self.dropped).and_then(|start| usize::try_from(start).ok());
        let parts = start.and_then(|start| self.bytes.get(..self.progress.next)?.split_at_checked(start));
        if let Some((before, item)) = parts {
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

    /// Whether a byte order mark settled the character set.
    pub(crate) const fn is_marked_utf_8(&self) -> bool {
        self.is_marked_utf_8
    }

    /// How many elements are open.
    pub(crate) const fn depth(&self) -> usize {
        self.progress.open.ends.len()
    }

    /// The encoding in the XML declaration. Known before the first token.
    pub(crate) fn declared_encoding(&self) -> Option<&str> {
        self.progress.declared_encoding.as_deref()
    }

    /// The next token without its delimiters, once all of it is there.
    fn take(&mut self) -> Result<Option<(Kind, &'d [u8])>, Malformed> {
        let pending = self.bytes.get(self.progress.next..).unwrap_or_default();
        let search = match self.progress.search.take() {
            Some(search) => Some(search),
            None => Search::new(pending)?,
        };
        let Some(mut search) = search else { return Ok(None) };
        let Some(length) = search.find_end(pending)? else {
            self.progress.search = Some(search);
            return Ok(None);
        };
        self.advance(length, matches!(search.kind, Kind::StartTag | Kind::EndTag));
        let (opening, closing) = search.kind.delimiters();
        Ok(Some((search.kind, pending.get(opening.len()..length - closing.len()).unwrap_or_default())))
    }

    /// White space directly between two tags means nothing. Beside a comment or a CDATA section it may belong to a text.
    fn skip_indentation(&mut self) {
        let pending = self.bytes.get(self.progress.next..).unwrap_or_default();
        let blank = pending.iter().position(|byte| !is_white_space(*byte)).unwrap_or(pending.len());
        if let Some([b'<', next, ..]) = pending.get(blank..)
            && *next != b'!'
            && blank > 0
        {
            self.progress.next += blank;
        }
    }

    fn check_text_outside(&self, text: &[u8]) -> Result<(), Malformed> {
        match self.progress.stage {
            _ if text.iter().all(u8::is_ascii_whitespace) => Ok(()),
            Stage::Epilog => Err(Malformed("something follows the document")),
            Stage::Start | Stage::Prolog | Stage::Root => Err(Malformed("something precedes the document")),
        }
    }

    fn read_declaration(&mut self, inside: &[u8]) -> Result<(), Malformed> {
        let attributes = inside.strip_prefix(b"xml").filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace));
        let (Some(attributes), Stage::Start) = (attributes, self.progress.stage) else { return Err(PROCESSING_INSTRUCTION) };
        let mut encoding = None;
        each_attribute(attributes, |name, value| {
            if name == b"encoding" {
                encoding = Some(String::from_utf8_lossy(value).into_owned());
            }
        })?;
        self.progress.declared_encoding = encoding;
        self.progress.stage = Stage::Prolog;
        Ok(())
    }

    /// A tag that is a name and nothing else, as nearly all are, if it is all there: its end needs no search.
    fn plain_tag(&mut self) -> Result<Option<Token<'d>>, Malformed> {
        let pending = self.bytes.get(self.progress.next..).unwrap_or_default();
        if let Some(tag) = pending.strip_prefix(b"</") {
            let name = self.progress.open.innermost().unwrap_or_default();
            let length = name.len();
            if length > 0 && tag.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'>')) {
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

    /// Ends a token of this length.
    const fn advance(&mut self, length: usize, is_tag: bool) {
        self.progress.token_start = self.position();
        self.progress.next += length;
        self.progress.follows_tag = is_tag;
    }

    /// Opens an element with this between `<` and `>`.
    fn start_tag(&mut self, tag: &'d [u8]) -> Result<Token<'d>, Malformed> {
        let (tag, is_empty) = tag.strip_suffix(b"/").map_or((tag, false), |tag| (tag, true));
        let (name, prefix) = split_name(tag);
        let rest = tag.get(name.len()..).unwrap_or_default();
        if !has_ends_of_name(name) || rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err(IMPROPER_NAME);
        }
        let mut attributes = false;
        each_attribute(rest, |_, _| attributes = true)?;
        let token = self.open(name, prefix, attributes)?;
        self.progress.pending_end = is_empty;
        Ok(token)
    }

    /// Opens an element whose name has a prefix of this length.
    fn open(&mut self, name: &'d [u8], prefix: usize, attributes: bool) -> Result<Token<'d>, Malformed> {
        if self.progress.stage == Stage::Epilog {
            return Err(Malformed("it has a second root element"));
        }
        if self.depth() == MAX_DEPTH {
            return Err(Malformed("its elements are nested too deep"));
        }
        if !has_ends_of_name(name) {
            return Err(IMPROPER_NAME);
        }
        let open = &mut self.progress.open;
        open.names.extend_from_slice(name);
        open.ends.push(open.names.len());
        self.progress.stage = Stage::Root;
        let local = name.get(prefix..).unwrap_or_default();
        let name = std::str::from_utf8(local).map_or_else(|_| String::from_utf8_lossy(local), Cow::Borrowed);
        Ok(Token::Start { name, attributes })
    }

    fn check_end_tag(&self, name: &[u8]) -> Result<(), Malformed> {
        if self.progress.open.innermost() == Some(name.trim_ascii_end()) {
            return Ok(());
        }
        Err(Malformed("its start and end tags do not match"))
    }

    fn close(&mut self) {
        let open = &mut self.progress.open;
        open.ends.pop();
        open.names.truncate(open.ends.last().copied().unwrap_or(0));
        if open.ends.is_empty() {
            self.progress.stage = Stage::Epilog;
        }
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StartTag,
    EndTag,
    Text,
    Comment,
    Data,
    Declaration,
}

impl Kind {
    /// What a token of this kind begins with and what it ends with.
    const fn delimiters(self) -> (&'static str, &'static str) {
        match self {
            Self::StartTag => ("<", ">"),
            Self::EndTag => ("</", ">"),
            Self::Text => ("", ""),
            Self::Comment => ("<!--", "-->"),
            Self::Data => ("<![CDATA[", "]]>"),
            Self::Declaration => ("<?", "?>"),
        }
    }
}

/// The search for the end of a token.
#[derive(Debug)]
struct Search {
    kind: Kind,
    /// Where quotes are in a start tag.
    quotes: ElementParser,
    /// How many bytes of the token were searched.
    searched: usize,
}

impl Search {
    /// The search for the end of the token that begins here, once its kind is known.
    fn new(token: &[u8]) -> Result<Option<Self>, Malformed> {
        let kind = match token {
            [] | [b'<'] => return Ok(None),
            [b'<', b'/', ..] => Kind::EndTag,
            [b'<', b'?', ..] => Kind::Declaration,
            [b'<', b'!', ..] => {
                let is = |kind: Kind| token.starts_with(kind.delimiters().0.as_bytes());
                let may_be = |kind: Kind| kind.delimiters().0.as_bytes().starts_with(token);
                match token {
                    _ if is(Kind::Comment) => Kind::Comment,
                    _ if is(Kind::Data) => Kind::Data,
                    _ if may_be(Kind::Comment) || may_be(Kind::Data) => return Ok(None),
                    _ => return Err(Malformed("it has a document type declaration")),
                }
            }
            [b'<', ..] => Kind::StartTag,
            _ => Kind::Text,
        };
        Ok(Some(Self { kind, quotes: ElementParser::Outside, searched: kind.delimiters().0.len() }))
    }

    /// The length of the token, once its end is there.
    fn find_end(&mut self, token: &[u8]) -> Result<Option<usize>, Malformed> {
        let (opening, closing) = self.kind.delimiters();
        let searched = std::mem::replace(&mut self.searched, token.len());
        let unseen = token.get(searched..).unwrap_or_default();
        Ok(match self.kind {
            Kind::Text => memchr::memchr(b'<', unseen).map(|at| searched + at),
            Kind::EndTag => memchr::memchr(b'>', unseen).map(|at| searched + at + 1),
            Kind::StartTag => {
                let end = self.quotes.feed(unseen);
                if memchr::memchr(b'<', unseen.get(..end.unwrap_or(unseen.len())).unwrap_or_default()).is_some() {
                    return Err(Malformed("a tag stands inside a tag"));
                }
                end.map(|at| searched + at + 1)
            }
            Kind::Comment | Kind::Data | Kind::Declaration => {
                // The closing sequence may have begun in an earlier chunk, but not inside the opening one.
                let from = searched.saturating_sub(closing.len() - 1).max(opening.len());
                let unseen = token.get(from..).unwrap_or_default();
                memmem::find(unseen, closing.as_bytes()).map(|at| from + at + closing.len())
            }
        })
    }
}

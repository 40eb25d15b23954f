//! Tokens, and the search for the end of one whose bytes arrive in chunks.

use std::borrow::Cow;

use memchr::memmem;
use quick_xml::parser::{ElementParser, Parser as _};

use crate::backend::Error;

/// Why a document is rejected: it is not well-formed or outside the accepted subset. A fixed text, never text from the
/// document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for Error {
    fn from(Malformed(reason): Malformed) -> Self {
        Self::InvalidResponse { reason }
    }
}

/// One token of a document. Comments, the XML declaration and white space between tags are skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'d> {
    /// An element begins. An empty one (`<a/>`) is followed by its [`Token::End`].
    Start {
        /// Its name without prefix, with replacement characters where it is not UTF-8.
        name: Cow<'d, str>,
        /// Whether it has attributes.
        attributes: bool,
    },
    /// The innermost open element ends.
    End,
    /// Text between tags, with unresolved entities, as bytes in the character set of the document.
    Text(&'d [u8]),
    /// The content of a CDATA section, as bytes in the character set of the document.
    Data(&'d [u8]),
}

/// The kinds of tokens, skipped ones included. The first bytes of a token determine its kind, and the kind its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    StartTag,
    EndTag,
    Text,
    Comment,
    Data,
    Declaration,
}

impl TokenKind {
    /// The opening and the closing delimiter. Text has none: it ends before the next tag.
    pub(super) const fn delimiters(self) -> (&'static str, &'static str) {
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

/// The search for the end of a token. It is kept while the token is incomplete, so that no byte is searched twice: a document
/// that arrives byte by byte costs no more than one that arrives at once.
#[derive(Debug)]
pub(super) struct TokenSearch {
    pub(super) kind: TokenKind,
    /// Whether the search is inside a quoted attribute value of a start tag, which may contain `>`.
    quotes: ElementParser,
    /// Number of bytes of the token that were searched.
    searched: usize,
}

impl TokenSearch {
    /// A search for the end of the token that begins here; `None` if its kind cannot be determined yet.
    pub(super) fn new(token: &[u8]) -> Result<Option<Self>, Malformed> {
        let kind = match token {
            [] | [b'<'] => return Ok(None),
            [b'<', b'/', ..] => TokenKind::EndTag,
            [b'<', b'?', ..] => TokenKind::Declaration,
            [b'<', b'!', ..] => {
                let is = |kind: TokenKind| token.starts_with(kind.delimiters().0.as_bytes());
                let may_become = |kind: TokenKind| kind.delimiters().0.as_bytes().starts_with(token);
                match token {
                    _ if is(TokenKind::Comment) => TokenKind::Comment,
                    _ if is(TokenKind::Data) => TokenKind::Data,
                    _ if may_become(TokenKind::Comment) || may_become(TokenKind::Data) => return Ok(None),
                    _ => return Err(Malformed("it has a document type declaration")),
                }
            }
            [b'<', ..] => TokenKind::StartTag,
            _ => TokenKind::Text,
        };
        Ok(Some(Self { kind, quotes: ElementParser::Outside, searched: kind.delimiters().0.len() }))
    }

    /// The length of the token; `None` if its end has not arrived.
    pub(super) fn find_end(&mut self, token: &[u8]) -> Result<Option<usize>, Malformed> {
        let (opening, closing) = self.kind.delimiters();
        let searched = std::mem::replace(&mut self.searched, token.len());
        let unsearched = token.split_at(searched).1;
        Ok(match self.kind {
            TokenKind::Text => memchr::memchr(b'<', unsearched).map(|at| searched + at),
            TokenKind::EndTag => memchr::memchr(b'>', unsearched).map(|at| searched + at + 1),
            TokenKind::StartTag => {
                let end = self.quotes.feed(unsearched);
                if memchr::memchr(b'<', unsearched.split_at(end.unwrap_or(unsearched.len())).0).is_some() {
                    return Err(Malformed("it has `<` inside a tag"));
                }
                end.map(|at| searched + at + 1)
            }
            TokenKind::Comment | TokenKind::Data | TokenKind::Declaration => {
                // The closing delimiter may have begun in an earlier chunk, but not inside the opening one (`<!-->`).
                let from = searched.saturating_sub(closing.len() - 1).max(opening.len());
                memmem::find(token.split_at(from).1, closing.as_bytes()).map(|at| from + at + closing.len())
            }
        })
    }
}

//! Recognises answers.
//!
//! The order system's failures are undocumented: they come with HTTP 200, as HTML, as half a document. So success must be
//! recognised positively, and everything else is a failure, either recognised (the system's own envelope with
//! `<status>failed</status>`) or not. An [`Answer`] takes a document as it arrives, hands out the elements that carry data,
//! and tells at its end what it was; [`Ending`] makes an outcome of that.
//!
//! The element that holds the answer (the *payload*) bears the method's name and stands at depth 0, 1 or 2. Inside it, or
//! inside its `response`, stand the *parts* that the call table names, and what failures are made of: `message`, `code`,
//! `log`. The outcome is a `status` in the payload or beside it, before or after everything else.

mod ending;

use std::sync::Arc;

pub(crate) use ending::Ending;

use super::call::Call;
use super::drift::Kind;
use super::profile::Profile;
use super::reading::Reading;
use super::xml::{Element, Malformed, Span, Token, Tokenizer, Tree};
use crate::backend::Error;
use crate::charset::Charset;

/// How deep the payload may stand.
const MAX_PAYLOAD_DEPTH: usize = 2;

/// An answer as it arrives.
#[derive(Debug)]
pub(crate) struct Answer {
    call: &'static Call,
    profile: Arc<Profile>,
    /// The label in the HTTP header, if there was one.
    http_charset: Option<String>,
    charset: Option<Charset>,
    /// The greatest size of a part, in bytes.
    max_part: u64,
    tokenizer: Tokenizer,
    tree: Tree,
    payload: Payload,
    /// How many elements are around a `status` that was outside of the payload.
    status_depth: Option<usize>,
    in_response: bool,
    /// Whether nothing was in the payload so far.
    payload_is_empty: bool,
    /// Where the part that is being read began.
    part_start: Option<u64>,
    ending: Ending,
}

/// Where the payload element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Awaited,
    /// Open, with so many elements around it.
    Open(usize),
    /// Over, with so many elements around it.
    Over(usize),
}

impl Answer {
    /// An answer to `call` of which nothing came yet. No part may be larger than `max_part` bytes.
    pub(crate) fn new(call: &'static Call, profile: Arc<Profile>, http_charset: Option<String>, max_part: u64) -> Self {
        Self {
            call,
            profile,
            http_charset,
            charset: None,
            max_part,
            tokenizer: Tokenizer::new(),
            tree: Tree::default(),
            payload: Payload::Awaited,
            status_depth: None,
            in_response: false,
            payload_is_empty: false,
            part_start: None,
            ending: Ending::default(),
        }
    }

    /// What reads the values of this answer.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading::new(self.call, &self.profile)
    }

    /// Takes the next bytes of the document.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.tokenizer.push(bytes);
    }

    /// Goes on to the end of the next part; `false` when more bytes are needed for it.
    pub(crate) fn next_part(&mut self) -> Result<bool, Malformed> {
        loop {
            let Some(token) = self.tokenizer.token()? else {
                let start = self.part_start.unwrap_or(self.tokenizer.position());
                self.check_size(start, self.tokenizer.pushed())?;
                return Ok(false);
            };
            if !self.tree.is_building() {
                self.walk(token)?;
            } else if self.build(token)? {
                return Ok(true);
            }
        }
    }

    /// The part that came last.
    pub(crate) fn part(&self) -> Option<Element<'_>> {
        self.tree.last()
    }

    /// Every part since the last [`Self::forget_parts`].
    pub(crate) fn parts(&self) -> impl Iterator<Item = Element<'_>> {
        self.tree.elements()
    }

    /// Notes what was odd about how the parts were written, and makes room for the next.
    pub(crate) fn forget_parts(&mut self) {
        self.reading().note_oddities(&self.tree);
        self.tree.clear();
    }

    /// Whether the document is whole, after its last byte.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        self.tokenizer.finish()?;
        match self.payload {
            Payload::Over(_) => Ok(()),
            Payload::Awaited | Payload::Open(_) => Err(Malformed("it does not hold the expected element")),
        }
    }

    /// What the document said besides its data; settled once it is whole.
    pub(crate) const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The failure that the order system stated, whatever the HTTP status was.
    pub(crate) fn failure(&self, http_status: u16) -> Option<Error> {
        self.ending.failure(self.call, http_status, &self.profile)
    }

    /// A token outside of parts.
    fn walk(&mut self, token: Token) -> Result<(), Malformed> {
        match token {
            Token::Start { name, attributes } => {
                if matches!(self.payload, Payload::Open(_)) {
                    self.walk_in_payload(name, attributes)?;
                } else {
                    self.walk_around_payload(name, attributes)?;
                }
            }
            Token::Text(text) | Token::Data(text) => self.note_stray_text(text),
            Token::End => self.walk_out(),
        }
        Ok(())
    }

    fn walk_in_payload(&mut self, name: Span, attributes: bool) -> Result<(), Malformed> {
        let element = self.tokenizer.bytes(name);
        if !self.in_response && element == b"response" {
            self.in_response = true;
        } else if !self.in_response && self.call.is_payload(element) {
            // One of the payload's names may stand around another.
            self.open_payload()?;
        } else {
            self.start_part(name, attributes);
        }
        Ok(())
    }

    fn walk_around_payload(&mut self, name: Span, attributes: bool) -> Result<(), Malformed> {
        let element = self.tokenizer.bytes(name);
        if element == b"status" {
            self.start_part(name, attributes);
        } else if self.call.is_payload(element) {
            self.open_payload()?;
        } else if self.call.is_foreign(element) {
            return Err(Malformed("it is the answer of another call"));
        } else {
            // Something that follows the payload is not around it.
            self.ending.has_other |= matches!(self.payload, Payload::Over(_));
        }
        if attributes {
            self.profile.drift.count(self.call, Kind::Attribute, "envelope");
        }
        Ok(())
    }

    /// Opens the payload, unless something was in the one that is open, or it stands too deep to be one.
    fn open_payload(&mut self) -> Result<(), Malformed> {
        let depth = self.tokenizer.depth() - 1;
        if depth > MAX_PAYLOAD_DEPTH {
            return Err(Malformed("its answer stands too deep"));
        }
        if self.payload != Payload::Awaited && !self.payload_is_empty {
            return Err(Malformed("it holds two answers"));
        }
        self.payload = Payload::Open(depth);
        self.payload_is_empty = true;
        Ok(())
    }

    fn start_part(&mut self, name: Span, attributes: bool) {
        self.payload_is_empty = false;
        self.tree.start(self.tokenizer.bytes(name), attributes);
        self.part_start = Some(self.tokenizer.token_start());
    }

    fn walk_out(&mut self) {
        let depth = self.tokenizer.depth();
        match self.payload {
            Payload::Open(payload) if depth == payload => {
                self.payload = Payload::Over(depth);
                self.payload_is_empty = false;
                // An outcome beside the payload stands beside it and nowhere else.
                if self.status_depth.is_some_and(|status| status != depth) {
                    self.ending.doubt_outcome();
                }
            }
            Payload::Open(payload) if depth == payload + 1 => self.in_response = false,
            Payload::Open(_) | Payload::Over(_) => {}
            // An element that ends before the payload comes was not around it, and what it said is not about it.
            Payload::Awaited => {
                self.ending.has_other = true;
                if self.status_depth.is_some_and(|status| status > depth) {
                    self.ending.doubt_outcome();
                }
            }
        }
    }

    fn note_stray_text(&mut self, text: Span) {
        if !self.tokenizer.bytes(text).iter().all(u8::is_ascii_whitespace) {
            self.profile.drift.count(self.call, Kind::UnknownElement, "envelope");
            self.ending.has_other = true;
            // No payload has text of its own, but a program's error message may stand anywhere.
            if matches!(self.payload, Payload::Open(_)) {
                self.ending.doubt_outcome();
            }
        }
    }

    /// A token inside a part; `true` at the end of one that carries data.
    fn build(&mut self, token: Token) -> Result<bool, Malformed> {
        match token {
            Token::Start { name, attributes } => {
                self.tree.start(self.tokenizer.bytes(name), attributes);
                if self.tree.is_overgrown() {
                    return Err(Malformed("it has too many elements"));
                }
            }
            Token::Text(text) => {
                let charset = self.charset();
                self.tree.text(self.tokenizer.bytes(text), charset);
            }
            Token::Data(text) => {
                let charset = self.charset();
                self.tree.data(self.tokenizer.bytes(text), charset);
            }
            Token::End => {
                self.tree.end();
                if !self.tree.is_building() {
                    let start = self.part_start.take().unwrap_or_default();
                    self.check_size(start, self.tokenizer.position())?;
                    return Ok(self.sort_part());
                }
            }
        }
        Ok(false)
    }

    /// Keeps a part that carries data; what the others say goes into the ending.
    fn sort_part(&mut self) -> bool {
        let Some(part) = self.tree.last() else { return false };
        match part.name() {
            "status" if !self.in_response => {
                self.ending.read_outcome(part.trimmed());
                if !matches!(self.payload, Payload::Open(_)) {
                    self.note_status_beside_payload();
                }
            }
            "status" if part.trimmed().is_some_and(|text| text.eq_ignore_ascii_case("failed")) => self.ending.doubt_outcome(),
            name if self.call.parts.contains(&name) => return true,
            "message" => self.ending.read_message(part.text()),
            "code" => self.ending.code = part.trimmed().map(str::to_owned),
            "log" => {
                self.ending.has_other = true;
                part.texts().for_each(|text| self.ending.read_message(Some(text)));
            }
            _ => {
                self.ending.has_other = true;
                self.reading().unknown(part);
            }
        }
        self.tree.forget_last();
        false
    }

    /// Remembers where it stood until it is known where the payload stands.
    fn note_status_beside_payload(&mut self) {
        let depth = self.tokenizer.depth();
        let is_elsewhere = self.status_depth.is_some_and(|status| status != depth)
            || matches!(self.payload, Payload::Over(payload) if payload != depth);
        if is_elsewhere {
            self.ending.doubt_outcome();
        }
        self.status_depth = Some(depth);
    }

    /// The character set: byte order mark, HTTP header, XML declaration, configured default, in this order.
    fn charset(&mut self) -> Charset {
        if let Some(charset) = self.charset {
            return charset;
        }
        let labels = [self.http_charset.as_deref(), self.tokenizer.declared_encoding()];
        let named = labels.into_iter().flatten().filter(|_| !self.tokenizer.is_marked_utf_8()).find_map(|label| {
            let charset = Charset::parse(label);
            if charset.is_err() {
                self.profile.drift.count(self.call, Kind::Charset, "envelope");
            }
            charset.ok()
        });
        let unnamed = if self.tokenizer.is_marked_utf_8() { Charset::UTF_8 } else { self.profile.charset };
        *self.charset.insert(named.unwrap_or(unnamed))
    }

    fn check_size(&self, start: u64, end: u64) -> Result<(), Malformed> {
        if end.saturating_sub(start) > self.max_part { Err(Malformed("one of its elements is too large")) } else { Ok(()) }
    }
}

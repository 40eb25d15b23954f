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
mod envelope;

use std::sync::Arc;

pub(crate) use ending::Ending;
use envelope::Envelope;

use super::codec::Decoded;
use super::decode_settings::DecodeSettings;
use super::field_reader::{DecodeError, FieldReader};
use super::methods::MethodSpec;
use super::schema_drift::Kind;
use super::xml::{Element, Malformed, Oddity, Shapes, Token, Tokenizer, Tree};
use crate::backend::{Error, Item, UndecodableItem};
use crate::charset::Charset;
use crate::model::OffsetCache;

/// Reads one item of a list.
pub(crate) type DecodeItem<T> = fn(Element<'_>, FieldReader<'_>) -> Decoded<T>;

/// An answer as it arrives.
#[derive(Debug)]
pub(crate) struct Answer {
    call: &'static MethodSpec,
    profile: Arc<DecodeSettings>,
    /// The label in the HTTP header, if there was one.
    http_charset: Option<String>,
    charset: Option<Charset>,
    /// The greatest size of a part, in bytes.
    max_part: u64,
    tokenizer: Tokenizer,
    tree: Tree,
    /// What items looked like so far; only in answers with many.
    shapes: Option<Shapes>,
    envelope: Envelope,
    /// Where the part that is being read began.
    part_start: Option<u64>,
    ending: Ending,
    known_days: OffsetCache,
}

impl Answer {
    /// An answer to `call` of which nothing came yet. No part may be larger than `max_part` bytes.
    pub(crate) fn new(
        call: &'static MethodSpec,
        profile: Arc<DecodeSettings>,
        http_charset: Option<String>,
        max_part: u64,
    ) -> Self {
        Self {
            call,
            profile,
            http_charset,
            charset: None,
            max_part,
            tokenizer: Tokenizer::new(),
            tree: Tree::default(),
            shapes: None,
            envelope: Envelope::default(),
            part_start: None,
            ending: Ending::default(),
            known_days: OffsetCache::default(),
        }
    }

    /// An answer whose parts are like each other.
    pub(crate) fn of_many(self) -> Self {
        Self { shapes: Some(Shapes::default()), ..self }
    }

    /// What reads the values of this answer.
    pub(crate) fn reading(&self) -> FieldReader<'_> {
        FieldReader::new(self.call, &self.profile, &self.known_days)
    }

    /// Takes the next bytes of the document.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.tokenizer.push(bytes);
    }

    /// Goes on to the end of the next part; `false` when more bytes are needed for it.
    pub(crate) fn next_part(&mut self) -> Result<bool, Malformed> {
        loop {
            if self.shapes.is_some() && self.tree.has_just_begun() && self.build_by_shape()? {
                if self.sort_part() {
                    return Ok(true);
                }
                continue;
            }
            // Outside of parts, every tag is looked at for itself.
            let token = if self.tree.is_building() { self.tokenizer.token_or_leaf() } else { self.tokenizer.token() };
            let Some(token) = token? else {
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
        if self.envelope.is_over() { Ok(()) } else { Err(Malformed("it does not hold the expected element")) }
    }

    /// What the document said besides its data; settled once it is whole.
    pub(crate) const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The failure that the order system stated, whatever the HTTP status was.
    pub(crate) fn failure(&self, http_status: u16) -> Option<Error> {
        self.ending.failure(self.call, http_status, &self.profile)
    }

    /// Makes an item of the part that came last, adds it to the run, and makes room for the next. Items are large, so they go
    /// where they stay.
    pub(crate) fn decode_item<T>(&mut self, position: u64, decode: DecodeItem<T>, run: &mut Vec<Item<T>>) -> Result<(), Error> {
        let part = self.part().ok_or(Error::InvalidResponse { reason: "one of its items cannot be found again" })?;
        match decode(part, self.reading()) {
            Ok(item) => run.push(Item::Decoded(item)),
            Err(unreadable) => {
                self.profile.drift.count(self.call, Kind::UnreadableItem, part.name());
                run.push(Item::Undecodable(UndecodableItem { position, ..unreadable }));
            }
        }
        self.forget_parts();
        Ok(())
    }

    /// Whether the document was the whole list, after its last byte; `items` came.
    pub(crate) fn finish_list(&mut self, items: u64) -> Result<(), Error> {
        const OK: u16 = 200;
        self.finish()?;
        if let Some(failure) = self.failure(OK) {
            Err(failure)
        } else if !self.ending.may_be_success() {
            Err(Error::InvalidResponse { reason: "its status is neither success nor failed" })
        } else if items == 0 && self.ending.has_explanation() {
            Err(Error::InvalidResponse { reason: "it is neither a list nor an empty one" })
        } else {
            Ok(())
        }
    }

    /// The one entity of a whole answer that may be a success.
    pub(crate) fn into_entity<T>(mut self, decode: impl FnOnce(&Self) -> Result<Option<T>, DecodeError>) -> Result<T, Error> {
        let entity = decode(&self).map_err(|DecodeError(reason)| Error::InvalidResponse { reason })?;
        let has_text = self.parts().any(|part| part.text().is_some())
            || self.tree.oddities().any(|(oddity, _)| oddity == Oddity::MixedText);
        if entity.is_none() && has_text {
            return Err(Error::InvalidResponse { reason: "it has text where none should be" });
        }
        self.forget_parts();
        match entity {
            Some(entity) => Ok(entity),
            None if self.ending.has_explanation() => {
                Err(Error::InvalidResponse { reason: "it does not hold what was asked for" })
            }
            None => Err(Error::NotFound),
        }
    }

    /// A token outside of parts.
    fn walk(&mut self, token: Token) -> Result<(), Malformed> {
        let depth = self.tokenizer.depth();
        match token {
            Token::Start { name, attributes } => {
                let element = self.tokenizer.bytes(name);
                if self.envelope.enter(self.call, element, depth - 1, &mut self.ending)? {
                    self.tree.start(element, attributes);
                    self.part_start = Some(self.tokenizer.token_start());
                } else if attributes {
                    self.profile.drift.count(self.call, Kind::Attribute, "envelope");
                }
            }
            Token::Text(text) | Token::Data(text) => {
                if !self.tokenizer.bytes(text).iter().all(u8::is_ascii_whitespace) {
                    self.profile.drift.count(self.call, Kind::UnknownElement, "envelope");
                    self.envelope.meet_text(&mut self.ending);
                }
            }
            Token::End => self.envelope.leave(depth, &mut self.ending),
            Token::Leaf { .. } => {}
        }
        Ok(())
    }

    /// Takes the whole part that has just begun in one step, if it looks like one before it.
    fn build_by_shape(&mut self) -> Result<bool, Malformed> {
        let charset = self.charset();
        let shapes = self.shapes.as_mut().filter(|_| self.tree.depth() == 1);
        let Some((whole, flat)) = shapes.and_then(|shapes| self.tokenizer.rest_by_shape(shapes)) else { return Ok(false) };
        self.tree.flat(self.tokenizer.bytes(whole), &flat, charset);
        self.check_growth()?;
        let start = self.part_start.take().unwrap_or_default();
        self.check_size(start, self.tokenizer.position())?;
        Ok(true)
    }

    /// A token inside a part; `true` at the end of one that carries data.
    fn build(&mut self, token: Token) -> Result<bool, Malformed> {
        match token {
            Token::Start { name, attributes } => {
                self.tree.start(self.tokenizer.bytes(name), attributes);
                self.check_growth()?;
            }
            Token::Leaf { whole, name } => {
                let charset = self.charset();
                self.tree.leaf(self.tokenizer.bytes(whole), name, charset);
                self.check_growth()?;
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
                    if let Some(shapes) = &mut self.shapes {
                        self.tokenizer.learn(shapes, start);
                    }
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
            "status" if !self.envelope.is_in_response() => {
                if part.children().next().is_some() {
                    self.ending.doubt_outcome();
                }
                self.ending.read_outcome(part.trimmed());
                self.envelope.meet_status(self.tokenizer.depth(), &mut self.ending);
            }
            "status" if part.trimmed().is_some_and(|text| text.eq_ignore_ascii_case("failed")) => self.ending.doubt_outcome(),
            name if self.call.elements.contains(&name) => return true,
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

    fn check_growth(&self) -> Result<(), Malformed> {
        if self.tree.is_overgrown() { Err(Malformed("it has too many elements")) } else { Ok(()) }
    }

    fn check_size(&self, start: u64, end: u64) -> Result<(), Malformed> {
        if end.saturating_sub(start) > self.max_part { Err(Malformed("one of its elements is too large")) } else { Ok(()) }
    }
}

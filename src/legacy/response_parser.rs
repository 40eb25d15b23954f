//! Recognises responses.
//!
//! The legacy system's failures are undocumented: they come with HTTP 200, as HTML, as half a document. So success must be
//! recognised positively, and everything else is a failure, either recognised (the system's own envelope with
//! `<status>failed</status>`) or not. A [`ResponseParser`] takes a document as it arrives, hands out the *payload elements*
//! that carry data, and collects the rest in a [`ResponseOutcome`].
//!
//! The element that holds the response (the *payload*) bears the method's name and stands at depth 0, 1 or 2. Inside it, or
//! inside its `response`, stand the elements that the call table names, and what failures are made of: `message`, `code`,
//! `log`. The outcome is a `status` in the payload or beside it, before or after everything else.
//!
//! Two levels of state follow the tokens. Where the payload is, [`Envelope`] knows. Which element a token belongs to:
//!
//! | level | token | next level | effect |
//! | --- | --- | --- | --- |
//! | `Envelope` | start tag of a container or of an element around the payload | `Envelope` | `Envelope::enter` |
//! | `Envelope` | start tag of a payload element or of a `status` | `Element` | the tree begins |
//! | `Envelope` | text that is not blank | `Envelope` | counted as drift, explains missing data |
//! | `Envelope` | end tag | `Envelope` | `Envelope::leave` |
//! | `Element` | any token inside | `Element` | the tree grows |
//! | `Element` | its end tag, it carries data | `AfterItem` | kept; handed out at once in lists |
//! | `Element` | its end tag, anything else | `Envelope` | read into the outcome and dropped |
//! | `AfterItem` | a list item with a known layout | `AfterItem` | kept and handed out |
//! | `AfterItem` | any other token | as from `Envelope` | |

mod envelope;
mod outcome;

use std::sync::Arc;

use envelope::Envelope;
pub(crate) use outcome::ResponseOutcome;

use super::codec::Decoded;
use super::decode_settings::DecodeSettings;
use super::field_reader::{DecodeError, FieldReader};
use super::methods::MethodSpec;
use super::schema_drift::Kind;
use super::xml::{Anomaly, DocumentReader, Element, LayoutCache, Malformed, Token, Tokens, Tree};
use crate::backend::{Error, Item, UndecodableItem};
use crate::charset::Charset;
use crate::model::OffsetCache;

/// Reads one item of a list.
pub(crate) type DecodeItem<T> = fn(Element<'_>, FieldReader<'_>) -> Decoded<T>;

/// A response as it arrives.
#[derive(Debug)]
pub(crate) struct ResponseParser {
    document: DocumentReader,
    state: State,
    /// Layouts of the items so far; only in lists.
    layouts: Option<LayoutCache>,
}

/// What was read of a response, and how to read on.
#[derive(Debug)]
struct State {
    call: &'static MethodSpec,
    profile: Arc<DecodeSettings>,
    /// The label in the HTTP header, if there was one.
    http_charset: Option<String>,
    /// Decided at the first text.
    charset: Option<Charset>,
    level: Level,
    envelope: Envelope,
    tree: Tree,
    outcome: ResponseOutcome,
    /// The greatest size of a payload element, in bytes.
    max_element_bytes: u64,
    known_days: OffsetCache,
}

/// Which element the next token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The payload, `response`, or an element around the payload.
    Envelope,
    /// The same, directly behind an element that carries data.
    AfterItem,
    /// A payload element that begins at this byte, or one inside it.
    Element { start: u64 },
}

impl ResponseParser {
    /// A response to `call`. No payload element may be larger than `max_element_bytes`.
    pub(crate) fn new(
        call: &'static MethodSpec,
        profile: Arc<DecodeSettings>,
        http_charset: Option<String>,
        max_element_bytes: u64,
    ) -> Self {
        let state = State {
            call,
            profile,
            http_charset,
            charset: None,
            level: Level::Envelope,
            envelope: Envelope::default(),
            tree: Tree::default(),
            outcome: ResponseOutcome::default(),
            max_element_bytes,
            known_days: OffsetCache::default(),
        };
        Self { document: DocumentReader::new(), state, layouts: None }
    }

    /// A response with items that are alike.
    pub(crate) fn for_list(self) -> Self {
        Self { layouts: Some(LayoutCache::default()), ..self }
    }

    /// What reads the values of this response.
    pub(crate) fn reading(&self) -> FieldReader<'_> {
        self.state.reading()
    }

    /// Appends the next bytes of the document.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.layouts.is_none() {
            self.state.tree.reserve(bytes.len());
        }
        self.document.push(bytes);
    }

    /// Reads on: in lists to the end of the next item, otherwise as far as the bytes reach. `false` when more are needed.
    pub(crate) fn next_part(&mut self) -> Result<bool, Malformed> {
        let state = &mut self.state;
        let mut tokens = self.document.tokens();
        loop {
            if let (Level::AfterItem, Some(layouts)) = (state.level, &mut self.layouts)
                && let Some(item) = tokens.match_item(layouts)
            {
                let charset = state.charset(&tokens);
                state.tree.matched_item(&item, charset);
                state.check_element(item.own_length() as u64)?;
                return Ok(true);
            }
            let Some(token) = tokens.next()? else { break };
            let Level::Element { start } = state.level else {
                state.on_token(token, &tokens)?;
                continue;
            };
            if !state.on_payload_token(token, &tokens)? {
                continue;
            }
            state.check_element(tokens.position() - start)?;
            if !state.classify_element(tokens.depth()) {
                state.level = Level::Envelope;
                continue;
            }
            state.level = Level::AfterItem;
            if let Some(layouts) = &mut self.layouts {
                tokens.learn(layouts, start);
                return Ok(true);
            }
        }
        let start = if let Level::Element { start } = state.level { start } else { self.document.position() };
        state.check_element(self.document.pushed().saturating_sub(start))?;
        Ok(false)
    }

    /// The element that came last.
    pub(crate) fn part(&self) -> Option<Element<'_>> {
        self.state.tree.last()
    }

    /// Every element since the last [`Self::forget_parts`].
    pub(crate) fn parts(&self) -> impl Iterator<Item = Element<'_>> {
        self.state.tree.elements()
    }

    /// Counts the anomalies of the elements as drift, and makes room for the next.
    pub(crate) fn forget_parts(&mut self) {
        self.reading().note_anomalies(&self.state.tree);
        self.state.tree.clear();
    }

    /// Whether the document is whole, after its last byte.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        self.document.finish()?;
        if self.state.envelope.is_over() { Ok(()) } else { Err(Malformed("it does not hold the expected element")) }
    }

    /// What the document has besides its data; final once it is whole.
    pub(crate) const fn outcome(&self) -> &ResponseOutcome {
        &self.state.outcome
    }

    /// The failure that the legacy system reported, whatever the HTTP status is.
    pub(crate) fn failure(&self, http_status: u16) -> Option<Error> {
        self.state.outcome.failure(self.state.call, http_status, &self.state.profile)
    }

    /// Decodes the element that came last, appends the item to the run, and makes room for the next. Items are large, so they
    /// are written where they stay.
    pub(crate) fn decode_item<T>(&mut self, position: u64, decode: DecodeItem<T>, run: &mut Vec<Item<T>>) -> Result<(), Error> {
        let part = self.part().ok_or(Error::InvalidResponse { reason: "one of its items cannot be found again" })?;
        match decode(part, self.reading()) {
            Ok(item) => run.push(Item::Decoded(item)),
            Err(unreadable) => {
                self.state.profile.drift.count(self.state.call, Kind::UnreadableItem, part.name());
                run.push(Item::Undecodable(UndecodableItem { position, ..unreadable }));
            }
        }
        self.forget_parts();
        Ok(())
    }

    /// Whether the document was the whole list with this many items, after its last byte.
    pub(crate) fn finish_list(&mut self, items: u64) -> Result<(), Error> {
        const OK: u16 = 200;
        self.finish()?;
        if let Some(failure) = self.failure(OK) {
            Err(failure)
        } else if !self.state.outcome.may_be_success() {
            Err(Error::InvalidResponse { reason: "its status is neither success nor failed" })
        } else if items == 0 && self.state.outcome.has_explanation() {
            Err(Error::InvalidResponse { reason: "it is neither a list nor an empty one" })
        } else {
            Ok(())
        }
    }

    /// The one entity of a whole response that may be a success.
    pub(crate) fn into_entity<T>(mut self, decode: impl FnOnce(&Self) -> Result<Option<T>, DecodeError>) -> Result<T, Error> {
        let entity = decode(&self).map_err(|DecodeError(reason)| Error::InvalidResponse { reason })?;
        let has_text = self.parts().any(|part| part.text().is_some())
            || self.state.tree.anomalies().any(|(anomaly, _)| anomaly == Anomaly::MixedText);
        if entity.is_none() && has_text {
            return Err(Error::InvalidResponse { reason: "it has text where none should be" });
        }
        self.forget_parts();
        match entity {
            Some(entity) => Ok(entity),
            None if self.state.outcome.has_explanation() => {
                Err(Error::InvalidResponse { reason: "it does not hold what was asked for" })
            }
            None => Err(Error::NotFound),
        }
    }
}

impl State {
    fn reading(&self) -> FieldReader<'_> {
        FieldReader::new(self.call, &self.profile, &self.known_days)
    }

    /// A token outside of payload elements.
    fn on_token(&mut self, token: Token<'_>, tokens: &Tokens<'_>) -> Result<(), Malformed> {
        let depth = tokens.depth();
        self.level = Level::Envelope;
        match token {
            Token::Start { name, attributes } => {
                if self.envelope.enter(self.call, name.as_bytes(), depth - 1, &mut self.outcome)? {
                    self.tree.start(&name, attributes);
                    self.level = Level::Element { start: tokens.token_start() };
                } else if attributes {
                    self.profile.drift.count(self.call, Kind::Attribute, "envelope");
                }
            }
            Token::Text(text) | Token::Data(text) => {
                if !text.iter().all(u8::is_ascii_whitespace) {
                    self.profile.drift.count(self.call, Kind::UnknownElement, "envelope");
                    self.envelope.meet_text(&mut self.outcome);
                }
            }
            Token::End => self.envelope.leave(depth, &mut self.outcome),
        }
        Ok(())
    }

    /// A token inside a payload element; `true` when it ends the element.
    fn on_payload_token(&mut self, token: Token<'_>, tokens: &Tokens<'_>) -> Result<bool, Malformed> {
        match token {
            Token::Start { name, attributes } => {
                self.tree.start(&name, attributes);
                self.check_growth()?;
            }
            Token::Text(text) => {
                let charset = self.charset(tokens);
                self.tree.text(text, charset);
            }
            Token::Data(text) => {
                let charset = self.charset(tokens);
                self.tree.data(text, charset);
            }
            Token::End => self.tree.end(),
        }
        Ok(!self.tree.is_building())
    }

    /// Whether the element that has ended carries data. The others are read into the outcome and dropped.
    fn classify_element(&mut self, depth: usize) -> bool {
        let Some(part) = self.tree.last() else { return false };
        match part.name() {
            "status" if !self.envelope.is_in_response() => {
                if part.children().next().is_some() {
                    self.outcome.mark_ambiguous();
                }
                self.outcome.read_outcome(part.trimmed());
                self.envelope.meet_status(depth, &mut self.outcome);
            }
            "status" if part.trimmed().is_some_and(|text| text.eq_ignore_ascii_case("failed")) => self.outcome.mark_ambiguous(),
            name if self.call.elements.contains(&name) => return true,
            "message" => self.outcome.read_message(part.text()),
            "code" => self.outcome.code = part.trimmed().map(str::to_owned),
            "log" => {
                self.outcome.has_other = true;
                part.texts().for_each(|text| self.outcome.read_message(Some(text)));
            }
            _ => {
                self.outcome.has_other = true;
                self.reading().unknown(part);
            }
        }
        self.tree.forget_last();
        false
    }

    /// The character set: byte order mark, HTTP header, XML declaration, configured default, in this order.
    fn charset(&mut self, tokens: &Tokens<'_>) -> Charset {
        if let Some(charset) = self.charset {
            return charset;
        }
        if tokens.is_marked_utf_8() {
            return *self.charset.insert(Charset::UTF_8);
        }
        let labels = [self.http_charset.as_deref(), tokens.declared_encoding()];
        let named = labels.into_iter().flatten().find_map(|label| {
            let charset = Charset::parse(label);
            if charset.is_err() {
                self.profile.drift.count(self.call, Kind::Charset, "envelope");
            }
            charset.ok()
        });
        *self.charset.insert(named.unwrap_or(self.profile.charset))
    }

    fn check_growth(&self) -> Result<(), Malformed> {
        if self.tree.exceeds_limit() { Err(Malformed("it has too many elements")) } else { Ok(()) }
    }

    fn check_element(&self, size: u64) -> Result<(), Malformed> {
        self.check_growth()?;
        if size > self.max_element_bytes { Err(Malformed("one of its elements is too large")) } else { Ok(()) }
    }
}

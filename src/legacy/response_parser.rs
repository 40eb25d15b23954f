//! Recognises responses and splits them into data and outcome.
//!
//! The legacy system's failures are undocumented: they come with HTTP 200, as HTML, as half a document. So success must be
//! recognised positively, and everything else is a failure, either recognised (an envelope with `<status>failed</status>`) or
//! not. A [`ResponseParser`] takes a document as it arrives, keeps the *data elements*, and collects everything else
//! in a [`ResponseOutcome`].
//!
//! ```text
//! <wrapper>                   up to two elements around the method element
//!   <orders>                  the method element, named after the method
//!     <response>              optional
//!       <order>…</order>      a payload element that carries data: a data element
//!       <message>…</message>  another payload element: part of a failure, like `code` and `log`
//!     </response>
//!     <status>…</status>      in the method element or beside it, before or after everything else
//!   </orders>
//! </wrapper>
//! ```
//!
//! The method table names the method element and the data elements. Two state machines follow the tokens: [`Envelope`] knows
//! the position outside payload elements, and `Level` whether a token is outside or inside a payload element.
//!
//! | level | token | next level | effect |
//! | --- | --- | --- | --- |
//! | `Envelope` | start tag of the method element, its `response` or a wrapper | `Envelope` | `Envelope::on_start` |
//! | `Envelope` | start tag of a payload element or a `status` | `Element` | the element is added to the tree |
//! | `Envelope` | text that is not blank | `Envelope` | counted as drift; `Envelope::on_text` |
//! | `Envelope` | end tag | `Envelope` | `Envelope::on_end` |
//! | `Element` | any token before its end tag | `Element` | added to the tree |
//! | `Element` | its end tag, if it is a data element | `AfterItem` | kept; in lists `advance` returns |
//! | `Element` | its end tag, otherwise | `Envelope` | read into the outcome and discarded |
//! | `AfterItem` | a whole list item with a known layout | `AfterItem` | kept; `advance` returns |
//! | `AfterItem` | any other token | as from `Envelope` | |
//!
//! In lists, an item with a known layout whose values all have the usual form is decoded without tokens and tree ([`list`]).

mod envelope;
mod list;
mod outcome;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use envelope::Envelope;
pub(crate) use list::ItemCodec;
use list::ListState;
pub(crate) use outcome::ResponseOutcome;

use super::decode_settings::DecodeSettings;
use super::field_reader::{DecodeError, FieldReader};
use super::methods::MethodSpec;
use super::schema_drift::DriftKind;
use super::xml::{Anomaly, DocumentReader, Element, Leaf, Malformed, Part, Token, Tokens, Tree, carries_no_data};
use crate::backend::Error;
use crate::charset::{Charset, TextDecoder};
use crate::model::{HeldBytes, Message};
use crate::resilience::{Exhausted, Reservation, Reserved, Share};

/// A response as it arrives.
#[derive(Debug)]
pub(crate) struct ResponseParser {
    document: DocumentReader,
    state: State,
    /// `None` if the response is not a list.
    list: Option<Box<ListState>>,
    /// What the document and the tree hold. Empty for lists, whose items are bounded one by one.
    memory: Reservation,
}

/// Maximum number of elements in an answer that is not a list. Its memory is reserved as it grows.
const MAX_ELEMENTS: usize = 1_000_000;
/// Maximum number of elements in a list item: a hundred times as many as any has, and few enough to cost nothing in every list.
const MAX_ITEM_ELEMENTS: usize = 4_096;
/// Memory of what a row becomes, without its texts. Vectors grow by doubling.
const ROW_BYTES: usize = 2 * size_of::<Message>();

/// Everything but the document itself, apart so that both can be borrowed at once.
#[derive(Debug)]
struct State {
    method: &'static MethodSpec,
    settings: Arc<DecodeSettings>,
    /// The charset label in the HTTP header.
    http_charset: Option<String>,
    /// Determined at the first text.
    decoder: Option<TextDecoder>,
    level: Level,
    envelope: Envelope,
    tree: Tree,
    outcome: ResponseOutcome,
    /// Maximum size of a payload element, in bytes.
    max_element_bytes: u64,
    /// Maximum number of elements in the tree.
    max_elements: usize,
}

/// Where the next token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Outside payload elements.
    Envelope,
    /// Outside payload elements, directly after a data element.
    AfterItem,
    /// Inside a payload element or a `status` that begins at this byte of the document.
    Element { start: u64 },
}

impl ResponseParser {
    /// A parser for a response to `method`. No payload element may be larger than `max_element_bytes`.
    pub(crate) fn new(
        method: &'static MethodSpec,
        settings: Arc<DecodeSettings>,
        http_charset: Option<String>,
        max_element_bytes: u64,
    ) -> Self {
        let memory = settings.memory.reservation(Share::Reads);
        let state = State {
            method,
            settings,
            http_charset,
            decoder: None,
            level: Level::Envelope,
            envelope: Envelope::default(),
            tree: Tree::default(),
            outcome: ResponseOutcome::default(),
            max_element_bytes,
            max_elements: MAX_ELEMENTS,
        };
        Self { document: DocumentReader::new(), state, list: None, memory }
    }

    /// A parser whose memory is reserved from this share.
    pub(crate) fn with_share(self, share: Share) -> Self {
        let memory = self.state.settings.memory.reservation(share);
        Self { memory, ..self }
    }

    /// Reserves the memory that the document and the tree hold by now.
    pub(crate) fn reserve(&mut self) -> Result<(), Exhausted> {
        self.memory.resize(self.document.held_bytes() + self.state.tree.held_bytes())
    }

    /// Reads the values of this response.
    pub(crate) fn fields(&self) -> FieldReader<'_> {
        self.state.fields()
    }

    /// Reads the next bytes of a document that is not a list.
    pub(crate) fn read(&mut self, chunk: &[u8]) -> Result<(), Malformed> {
        let Some(tokens) = self.document.tokens_of(chunk) else {
            self.push(chunk);
            return self.advance().map(|_| ());
        };
        // Nearly always: the document comes in one chunk.
        self.state.tree.reserve(chunk.len());
        advance(&mut self.state, self.list.as_deref_mut(), tokens)?;
        self.document.keep(chunk);
        self.check_pending()
    }

    /// Appends the next bytes of the document.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.list.is_none() {
            self.state.tree.reserve(bytes.len());
        }
        self.document.push(bytes);
    }

    /// Parses on: in lists to the end of the next item, otherwise to the end of the bytes. Returns `false` when more bytes are
    /// needed.
    pub(crate) fn advance(&mut self) -> Result<bool, Malformed> {
        let has_item = advance(&mut self.state, self.list.as_deref_mut(), self.document.tokens())?;
        if !has_item {
            self.check_pending()?;
        }
        Ok(has_item)
    }

    /// Checks the size of an incomplete token or element, so that no element grows without limit while it arrives.
    fn check_pending(&self) -> Result<(), Malformed> {
        let start = if let Level::Element { start } = self.state.level { start } else { self.document.position() };
        self.state.check_element(self.document.pushed().saturating_sub(start))
    }

    /// The last data element.
    pub(crate) fn last_element(&self) -> Option<Element<'_>> {
        self.state.tree.last()
    }

    /// The data elements since the last [`Self::discard_elements`].
    pub(crate) fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        self.state.tree.elements()
    }

    /// Removes the elements, after counting their anomalies as drift.
    pub(crate) fn discard_elements(&mut self) {
        self.fields().count_anomalies(&self.state.tree);
        self.state.tree.clear();
    }

    /// Checks, after the last byte, that the document is complete and has a method element.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        self.document.finish()?;
        if self.document.has_stray_bytes() {
            self.state.settings.drift.count(self.state.method, DriftKind::Charset, "envelope");
        }
        if self.state.envelope.is_complete() { Ok(()) } else { Err(Malformed("it does not contain the expected element")) }
    }

    /// What the document reports besides its data; final once [`Self::finish`] has succeeded.
    pub(crate) const fn outcome(&self) -> &ResponseOutcome {
        &self.state.outcome
    }

    /// The failure that the upstream reported in its envelope, whatever the HTTP status is.
    pub(crate) fn failure(&self, http_status: u16) -> Option<Error> {
        self.state.outcome.failure(self.state.method, http_status, &self.state.settings)
    }

    /// The entity of a complete response that may be a success, with the memory that it holds.
    pub(crate) fn into_entity<T: HeldBytes>(
        mut self,
        decode: impl FnOnce(&Self) -> Result<Option<T>, DecodeError>,
    ) -> Result<Reserved<T>, Error> {
        // Everything is in the tree by now.
        self.document = DocumentReader::new();
        let decoded = size_of::<T>() + self.state.tree.text_bytes() + self.state.tree.rows() * ROW_BYTES;
        self.memory.resize(self.state.tree.held_bytes() + decoded)?;
        let entity = decode(&self).map_err(|DecodeError(reason)| Error::InvalidResponse { reason })?;
        // Text among the data may be an error message of the server, so it does not prove that the entity does not exist.
        let has_text = self.elements().any(|element| element.own_text().is_some())
            || self.state.tree.anomalies().any(|(anomaly, _)| anomaly == Anomaly::TextBetweenFields);
        if entity.is_none() && has_text {
            return Err(Error::InvalidResponse { reason: "it has text where only elements are allowed" });
        }
        self.discard_elements();
        let Self { state: State { outcome, .. }, mut memory, .. } = self;
        match entity {
            Some(entity) => {
                memory.resize(entity.held_bytes())?;
                Ok(Reserved::new(entity, memory))
            }
            None if outcome.has_explanation() => {
                Err(Error::InvalidResponse { reason: "it does not contain what was requested" })
            }
            None => Err(Error::NotFound),
        }
    }
}

/// Parses on, as [`ResponseParser::advance`].
fn advance(state: &mut State, mut list: Option<&mut ListState>, mut tokens: Tokens<'_>) -> Result<bool, Malformed> {
    loop {
        if let (Level::AfterItem, Some(list)) = (state.level, &mut list)
            && let Some(item) = tokens.match_item(&mut list.layouts, false)
        {
            tokens.take_item(&item);
            let decoder = state.decoder(&tokens);
            state.tree.push_matched_item(&item, decoder);
            state.check_element(item.element_length() as u64)?;
            return Ok(true);
        }
        // Items of a list are rarely read by parts, for which all bytes that have arrived are checked.
        let part = match (state.level, &list) {
            (Level::Element { .. }, None) => tokens.next_part()?,
            _ => tokens.next()?.map(Part::Token),
        };
        let token = match part {
            None => break,
            Some(Part::Leaf(leaf)) => {
                state.on_leaf(&leaf, &tokens)?;
                continue;
            }
            Some(Part::Token(token)) => token,
        };
        let Level::Element { start } = state.level else {
            state.on_envelope_token(token, &tokens)?;
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
        if let Some(list) = &mut list {
            tokens.learn(&mut list.layouts, start);
            return Ok(true);
        }
    }
    Ok(false)
}

impl State {
    fn fields(&self) -> FieldReader<'_> {
        FieldReader::new(self.method, &self.settings)
    }

    /// Handles a token outside payload elements.
    fn on_envelope_token(&mut self, token: Token<'_>, tokens: &Tokens<'_>) -> Result<(), Malformed> {
        let depth = tokens.depth();
        self.level = Level::Envelope;
        match token {
            Token::Start { name, attributes } => {
                if self.envelope.on_start(self.method, name.as_bytes(), depth - 1, &mut self.outcome)? {
                    self.tree.start(&name, attributes);
                    self.level = Level::Element { start: tokens.token_start() };
                } else if attributes {
                    self.settings.drift.count(self.method, DriftKind::Attribute, "envelope");
                }
            }
            Token::Text(text) | Token::Data(text) => {
                if text.iter().all(u8::is_ascii_whitespace) {
                    return Ok(());
                }
                if carries_no_data(text, &[]) {
                    self.settings.drift.count(self.method, DriftKind::Charset, "envelope");
                } else {
                    self.settings.drift.count(self.method, DriftKind::UnknownElement, "envelope");
                    self.envelope.on_text(&mut self.outcome);
                }
            }
            Token::End => self.envelope.on_end(depth, &mut self.outcome),
        }
        Ok(())
    }

    /// Handles a token inside a payload element. Returns whether it ends the element.
    fn on_payload_token(&mut self, token: Token<'_>, tokens: &Tokens<'_>) -> Result<bool, Malformed> {
        if tokens.follows_white_space() {
            self.tree.white_space();
        }
        match token {
            Token::Start { name, attributes } => {
                self.tree.start(&name, attributes);
                self.check_count()?;
            }
            Token::Text(text) => {
                let decoder = self.decoder(tokens);
                self.tree.text(text, decoder);
            }
            Token::Data(text) => {
                let decoder = self.decoder(tokens);
                self.tree.data(text, decoder);
            }
            Token::End => self.tree.end(),
        }
        Ok(!self.tree.is_building())
    }

    /// Handles a leaf inside a payload element.
    fn on_leaf(&mut self, leaf: &Leaf<'_>, tokens: &Tokens<'_>) -> Result<(), Malformed> {
        if tokens.follows_white_space() {
            self.tree.white_space();
        }
        // Without text, the charset need not be known yet.
        let decoder = if leaf.text.is_empty() { self.decoder.unwrap_or_default() } else { self.decoder(tokens) };
        self.tree.leaf(leaf, decoder);
        self.check_count()
    }

    /// Classifies the payload element that has just ended. Returns whether it is a data element; others are read into the
    /// outcome and discarded.
    #[expect(clippy::expect_used, reason = "only called when the tree has completed an element")]
    fn classify_element(&mut self, depth: usize) -> bool {
        let element = self.tree.last().expect("the tree has completed an element");
        match element.name() {
            "status" if !self.envelope.is_in_response() => {
                if element.children().next().is_some() {
                    self.outcome.mark_ambiguous();
                }
                self.outcome.record_status(element.text().as_deref());
                self.envelope.on_status(depth, &mut self.outcome);
            }
            name if self.method.data_elements.contains(&name) => return true,
            "message" => element.text().into_iter().for_each(|text| self.outcome.append_message(&text)),
            "code" => self.outcome.record_code(element.text().as_deref()),
            "log" => {
                self.outcome.has_other_content = true;
                element.texts().for_each(|text| self.outcome.append_message(text));
            }
            name => {
                if name == "status" {
                    self.outcome.record_inner_status(element.text().as_deref());
                }
                self.outcome.has_other_content = true;
                self.fields().unknown(element);
            }
        }
        self.tree.discard_last();
        false
    }

    /// The decoder of texts. A byte order mark wins over the HTTP header, then come the XML declaration and the configured
    /// default. Called at the first text, when the XML declaration has been read.
    fn decoder(&mut self, tokens: &Tokens<'_>) -> TextDecoder {
        match self.decoder {
            Some(decoder) => decoder,
            None => self.determine_decoder(tokens),
        }
    }

    fn determine_decoder(&mut self, tokens: &Tokens<'_>) -> TextDecoder {
        let labels = [self.http_charset.as_deref(), tokens.declared_encoding()];
        let declared = labels.into_iter().flatten().filter(|_| !tokens.has_bom()).find_map(|label| {
            let charset = Charset::parse(label);
            if charset.is_err() {
                self.settings.drift.count(self.method, DriftKind::Charset, "envelope");
            }
            charset.ok()
        });
        let label = declared.or_else(|| tokens.has_bom().then_some(Charset::UTF_8));
        let configured = self.settings.charset;
        let decoder =
            label.map_or_else(|| TextDecoder::configured(configured), |label| TextDecoder::labelled(label, configured));
        *self.decoder.insert(decoder)
    }

    fn check_count(&self) -> Result<(), Malformed> {
        if self.tree.len() > self.max_elements { Err(Malformed("it has too many elements")) } else { Ok(()) }
    }

    fn check_element(&self, size: u64) -> Result<(), Malformed> {
        self.check_count()?;
        if size > self.max_element_bytes { Err(Malformed("one of its elements is too large")) } else { Ok(()) }
    }
}

//! A tree of elements with their decoded texts, in two flat buffers that are reused for every list item.
//!
//! An element has either fields or a *value*, a text, which its position determines ([`has_fields`]). Text between fields is
//! removed. People write markup into values (`Rad ett<br/>rad två`); there the text between the tags is kept in nodes without
//! name, so that [`Element::text`] can return the whole text without the tags.

use std::borrow::Cow;

use crate::charset::{TextDecoder, ValueCharset};

use super::Leaf;
use super::entities;
use super::layout_cache::{MatchedItem, Span};
use super::plain_text;

/// How an element differs from the format although it can be read. Reported as schema drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// It has attributes, which no decoder reads.
    Attribute,
    /// Its text is not in the declared character set, was cut inside a character, or had control characters, which were
    /// replaced.
    Charset,
    /// Its text has an entity that XML does not define.
    Entity,
    /// It has text between its fields, which was removed.
    TextBetweenFields,
    /// Its value has elements in it, whose tags were removed.
    MarkupInValue,
}

impl Anomaly {
    const ALL: [Self; 5] = [Self::Attribute, Self::Charset, Self::Entity, Self::TextBetweenFields, Self::MarkupInValue];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Elements in document order. An element without parent is called *outermost*.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The names and texts of all elements.
    characters: String,
    /// The open elements, outermost first.
    open: Vec<OpenElement>,
    /// The last outermost element.
    last: Option<usize>,
    /// Number of rows: elements with fields in an outermost one.
    rows: usize,
    /// Number of rows before the last outermost element.
    rows_before_last: usize,
    /// Whether any element has an anomaly.
    has_anomalies: bool,
    /// Whether any node is a text, which spares nearly all trees the search for them.
    has_texts: bool,
    /// The decoder of the last text that was not plain.
    decoder: TextDecoder,
    /// The state of the value that is being read.
    charset: ValueCharset,
}

/// An element, or a text between the tags in a value.
#[derive(Debug)]
struct Node {
    /// Empty for a text.
    name: Span,
    /// Empty if the element has children.
    text: Span,
    parent: Option<usize>,
    /// The index after its last descendant; 0 while it is open.
    end: usize,
    anomalies: u8,
}

#[derive(Debug, Clone, Copy)]
struct OpenElement {
    node: usize,
    /// Where the text since the last tag begins in the characters.
    text: usize,
    /// The node of the value that it is or is in; `None` if it has fields.
    value: Option<usize>,
}

/// Whether an element at this depth below the envelope has fields. All others are values: the fields, and `message`, `code` and
/// `status` beside the data.
fn has_fields(depth: usize, name: &str) -> bool {
    match depth {
        0 => matches!(name, "order" | "orderinfo" | "customer" | "logs" | "serviceinfo" | "data"),
        1 => matches!(name, "log" | "data"),
        _ => false,
    }
}

impl Tree {
    /// Removes all elements and keeps the allocated memory.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.characters.clear();
        self.open.clear();
        self.last = None;
        self.rows = 0;
        self.has_anomalies = false;
        self.has_texts = false;
    }

    /// Reserves memory for the elements in this many bytes of a document.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        /// Typical size of an element with two tags and a text.
        const BYTES_PER_ELEMENT: usize = 32;
        self.characters.reserve(bytes * 5 / 8);
        self.nodes.reserve(bytes / BYTES_PER_ELEMENT);
    }

    /// Number of elements.
    pub(crate) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes of memory that it holds.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.characters.capacity() + self.nodes.capacity() * size_of::<Node>()
    }

    /// Length of all names and texts, in bytes.
    pub(crate) const fn text_bytes(&self) -> usize {
        self.characters.len()
    }

    /// Number of elements with fields in outermost ones.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Whether an element is open.
    pub(crate) fn is_building(&self) -> bool {
        !self.open.is_empty()
    }

    /// Opens an element.
    pub(crate) fn start(&mut self, name: &str, attributes: bool) {
        self.end_text(false);
        let start = self.characters.len();
        self.characters.push_str(name);
        let span = Span { start, end: self.characters.len() };
        let (index, parent) = (self.nodes.len(), self.open.last().copied());
        let value = match parent {
            Some(OpenElement { value: Some(value), .. }) => Some(value),
            _ if has_fields(self.open.len(), name) => None,
            _ => Some(index),
        };
        if value == Some(index) {
            self.charset = ValueCharset::default();
        } else if value.is_some() {
            self.record_anomaly(Anomaly::MarkupInValue);
        }
        if parent.is_none() {
            self.last = Some(index);
            self.rows_before_last = self.rows;
        } else if value.is_none() {
            self.rows += 1;
        }
        self.open.push(OpenElement { node: index, text: span.end, value });
        self.nodes.push(Node { name: span, text: Span::default(), parent: parent.map(|open| open.node), end: 0, anomalies: 0 });
        if attributes && value.is_none_or(|value| value == index) {
            self.record_anomaly(Anomaly::Attribute);
        }
    }

    /// Adds a complete element to the innermost open one.
    pub(crate) fn leaf(&mut self, leaf: &Leaf<'_>, decoder: TextDecoder) {
        let (depth, text) = (self.open.len(), leaf.text);
        // The common case: a field whose text needs neither decoding nor a check.
        let is_plain = leaf.kinds.is_plain() && (leaf.kinds.is_ascii() || decoder.expects_utf_8());
        if let Some(OpenElement { node: parent, text: end, value: None }) = self.open.last_mut()
            && is_plain
            && !has_fields(depth, leaf.name)
        {
            let start = self.characters.len();
            self.characters.push_str(leaf.source);
            *end = self.characters.len();
            let name = Span { start, end: start + leaf.name.len() };
            let text = Span { start: *end - text.len(), end: *end };
            let next = self.nodes.len() + 1;
            self.nodes.push(Node { name, text, parent: Some(*parent), end: next, anomalies: 0 });
            self.charset = ValueCharset::of_utf_8(leaf.kinds.is_ascii());
            return;
        }
        self.start(leaf.name, false);
        if !text.is_empty() {
            self.text(text.as_bytes(), decoder);
        }
        self.end();
    }

    /// Adds a complete outermost element that matched a layout.
    pub(crate) fn push_matched_item(&mut self, item: &MatchedItem<'_, '_>, decoder: TextDecoder) {
        let bytes = item.bytes();
        if let Some(plain) = self.as_plain(bytes, decoder) {
            // The common case. The markup is copied too: one long copy is cheaper than many short ones.
            let base = self.characters.len();
            self.characters.push_str(plain);
            let at = |span: Span| Span { start: base + span.start, end: base + span.end };
            let parent = self.nodes.len();
            self.nodes.push(Node { name: at(item.name()), text: Span::default(), parent: None, end: 0, anomalies: 0 });
            self.nodes.extend(item.leaves().enumerate().map(|(index, (name, text))| Node {
                name: at(name),
                text: at(text),
                parent: Some(parent),
                end: parent + index + 2,
                anomalies: 0,
            }));
            self.node_mut(parent).end = self.nodes.len();
            self.last = Some(parent);
        } else {
            let bytes = |span: Span| bytes.split_at(span.end).0.split_at(span.start).1;
            self.start(&String::from_utf8_lossy(bytes(item.name())), false);
            for (name, text) in item.leaves() {
                self.start(&String::from_utf8_lossy(bytes(name)), false);
                self.text(bytes(text), decoder);
                self.end();
            }
            self.end();
        }
    }

    /// Adds text, with entities to resolve, to the innermost open element.
    pub(crate) fn text(&mut self, bytes: &[u8], decoder: TextDecoder) {
        // The common case: nothing to decode or resolve.
        if let Some(plain) = self.as_plain(bytes, decoder) {
            self.characters.push_str(plain);
            return;
        }
        let text = self.decode(bytes, decoder);
        let anomalies = entities::append(&text, &mut self.characters);
        if anomalies.entity {
            self.record_anomaly(Anomaly::Entity);
        }
        if anomalies.control {
            self.record_anomaly(Anomaly::Charset);
        }
    }

    /// Adds the content of a CDATA section to the innermost open element.
    pub(crate) fn data(&mut self, bytes: &[u8], decoder: TextDecoder) {
        let text = self.decode(bytes, decoder);
        if entities::append_characters(&text, &mut self.characters) {
            self.record_anomaly(Anomaly::Charset);
        }
    }

    /// Adds the white space between two tags, which matters only beside markup in a value.
    pub(crate) fn white_space(&mut self) {
        if self.open.last().is_some_and(|open| open.value.is_some()) {
            self.characters.push(' ');
        }
    }

    /// Closes the innermost open element.
    #[expect(clippy::expect_used, reason = "the reader has matched every end tag with a start tag")]
    pub(crate) fn end(&mut self) {
        let OpenElement { node, text, value } = *self.open.last().expect("an end tag has a start tag");
        // An element without children has a text.
        if node + 1 == self.nodes.len() {
            self.end_sequence(value == Some(node));
            self.node_mut(node).text = Span { start: text, end: self.characters.len() };
        } else {
            self.end_text(value == Some(node));
        }
        self.open.pop();
        self.node_mut(node).end = self.nodes.len();
        let end = self.characters.len();
        if let Some(parent) = self.open.last_mut() {
            parent.text = end;
        }
    }

    /// The outermost elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        Children { tree: self, next: 0, end: self.nodes.len() }
    }

    /// The last outermost element.
    pub(crate) fn last(&self) -> Option<Element<'_>> {
        self.last.map(|index| Element { tree: self, index })
    }

    /// Removes the last outermost element.
    pub(crate) fn discard_last(&mut self) {
        let Some(index) = self.last.take() else { return };
        self.characters.truncate(self.node(index).name.start);
        self.nodes.truncate(index);
        self.rows = self.rows_before_last;
    }

    /// Every anomaly with its element.
    pub(crate) fn anomalies(&self) -> impl Iterator<Item = (Anomaly, Element<'_>)> {
        // Usually there are none, and then no node is visited.
        let count = if self.has_anomalies { self.nodes.len() } else { 0 };
        (0..count).flat_map(move |index| {
            let element = Element { tree: self, index };
            let bits = self.node(index).anomalies;
            Anomaly::ALL.into_iter().filter(move |anomaly| bits & anomaly.bit() != 0).map(move |anomaly| (anomaly, element))
        })
    }

    /// Ends the text since the last tag: what follows shows that its element has children. In a value it is kept, between fields
    /// removed.
    fn end_text(&mut self, is_whole: bool) {
        self.end_sequence(is_whole);
        let Some(OpenElement { node, text, value }) = self.open.last().copied() else { return };
        let span = Span { start: text, end: self.characters.len() };
        if span.start == span.end {
            return;
        }
        let is_blank = self.characters(span).chars().all(is_white_space);
        if value.is_some() {
            if is_blank {
                // As if the reader had skipped it.
                self.characters.truncate(text);
                self.characters.push(' ');
            }
            let (span, end) = (Span { end: self.characters.len(), ..span }, self.nodes.len() + 1);
            self.nodes.push(Node { name: Span::default(), text: span, parent: Some(node), end, anomalies: 0 });
            self.has_texts = true;
            return;
        }
        let is_visible = is_visible(self.characters(span));
        self.characters.truncate(text);
        if !is_blank {
            self.record_anomaly(if is_visible { Anomaly::TextBetweenFields } else { Anomaly::Charset });
        }
    }

    /// The next piece of the innermost open element's text if it can be taken as it stands.
    fn as_plain<'b>(&mut self, bytes: &'b [u8], decoder: TextDecoder) -> Option<&'b str> {
        if entities::is_plain_ascii(bytes) && !self.charset.is_incomplete() {
            std::str::from_utf8(bytes).ok()
        } else if entities::is_plain(bytes) {
            decoder.as_expected(bytes, &mut self.charset)
        } else {
            None
        }
    }

    /// Decodes the next piece of the innermost open element's text.
    fn decode<'b>(&mut self, bytes: &'b [u8], decoder: TextDecoder) -> Cow<'b, str> {
        self.decoder = decoder;
        let (text, is_unexpected) = decoder.decode(bytes, &mut self.charset);
        if is_unexpected {
            self.record_anomaly(Anomaly::Charset);
        }
        text
    }

    /// Decides what an incomplete UTF-8 sequence before a tag stands for.
    fn end_sequence(&mut self, is_whole: bool) {
        if !self.charset.is_incomplete() {
            return;
        }
        let (text, is_unexpected) = self.decoder.end_text(&mut self.charset, is_whole);
        entities::append_characters(&text, &mut self.characters);
        if is_unexpected {
            self.record_anomaly(Anomaly::Charset);
        }
    }

    /// Records an anomaly of the innermost open element, or of the value that it is in.
    fn record_anomaly(&mut self, anomaly: Anomaly) {
        self.has_anomalies = true;
        if let Some(OpenElement { node, value, .. }) = self.open.last().copied() {
            self.node_mut(value.unwrap_or(node)).anomalies |= anomaly.bit();
        }
    }

    #[expect(clippy::expect_used, reason = "indexes are only made for existing nodes")]
    fn node(&self, index: usize) -> &Node {
        self.nodes.get(index).expect("the index is of this tree")
    }

    #[expect(clippy::expect_used, reason = "indexes are only made for existing nodes")]
    fn node_mut(&mut self, index: usize) -> &mut Node {
        self.nodes.get_mut(index).expect("the index is of this tree")
    }

    #[expect(clippy::expect_used, reason = "spans are made from lengths of this string, at character boundaries")]
    fn characters(&self, span: Span) -> &str {
        self.characters.get(span.start..span.end).expect("the span is of this tree")
    }
}

/// An element of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'t> {
    tree: &'t Tree,
    index: usize,
}

impl<'t> Element<'t> {
    /// Its name without prefix.
    pub(crate) fn name(self) -> &'t str {
        self.tree.characters(self.tree.node(self.index).name)
    }

    /// Its value: its text and that of the elements in it, without their tags, and without white space at both ends. `None` when
    /// nothing in it is visible, which means the same as a missing element.
    pub(crate) fn text(self) -> Option<Cow<'t, str>> {
        let node = self.tree.node(self.index);
        if node.end <= self.index + 1 {
            return visible(self.tree.characters(node.text)).map(Cow::Borrowed);
        }
        let text = plain_text::of(self);
        visible(&text).map(|text| Cow::Owned(text.to_owned()))
    }

    /// Its text without white space at both ends, if it has no elements in it; `None` when nothing in it is visible.
    pub(crate) fn own_text(self) -> Option<&'t str> {
        visible(self.raw_text())
    }

    /// Its text as it stands, white space included; empty if it has elements in it.
    pub(super) fn raw_text(self) -> &'t str {
        self.tree.characters(self.tree.node(self.index).text)
    }

    /// Whether it is a text between the tags in a value.
    pub(super) fn is_text(self) -> bool {
        self.tree.has_texts && self.tree.node(self.index).name == Span::default()
    }

    /// Its child elements.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        self.content().filter(|node| !node.is_text())
    }

    /// Its child elements and the texts between them.
    pub(super) fn content(self) -> impl Iterator<Item = Self> {
        let end = self.tree.node(self.index).end;
        Children { tree: self.tree, next: self.index + 1, end }
    }

    /// Whether it or a descendant has a text; an element without any means the same as a missing element.
    pub(crate) fn has_value(self) -> bool {
        self.own_text().is_some() || self.texts().next().is_some()
    }

    /// Its text and those in it, without blank ones.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'t str> {
        (self.index..self.tree.node(self.index).end).filter_map(move |index| Element { tree: self.tree, index }.own_text())
    }

    /// The names of its parent and itself, such as `order.status`.
    pub(crate) fn path(self) -> String {
        match self.tree.node(self.index).parent {
            Some(index) => format!("{}.{}", Element { tree: self.tree, index }.name(), self.name()),
            None => self.name().to_owned(),
        }
    }
}

struct Children<'t> {
    tree: &'t Tree,
    next: usize,
    end: usize,
}

impl<'t> Iterator for Children<'t> {
    type Item = Element<'t>;

    fn next(&mut self) -> Option<Element<'t>> {
        if self.next >= self.end {
            return None;
        }
        let element = Element { tree: self.tree, index: self.next };
        // An open element has no end yet; its descendants are returned like siblings.
        self.next = self.tree.node(self.next).end.max(self.next + 1);
        Some(element)
    }
}

/// Whether any character of a text is visible: not white space, a no-break space, or a character that only affects others.
fn is_visible(text: &str) -> bool {
    let is_invisible = |character: char| {
        let is_format = matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}'
        );
        is_format || character.is_whitespace() || character.is_control()
    };
    text.bytes().any(|byte| byte.is_ascii_graphic()) || !text.chars().all(is_invisible)
}

/// A text without white space at both ends; `None` when nothing in it is visible.
fn visible(text: &str) -> Option<&str> {
    // Nearly all texts, which need neither be trimmed nor searched.
    let is_visible_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if is_visible_end(text.as_bytes().first()) && is_visible_end(text.as_bytes().last()) {
        return Some(text);
    }
    is_visible(text).then(|| text.trim_matches(is_white_space))
}

const fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

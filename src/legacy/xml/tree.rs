//! Elements with their texts, in two flat buffers that are reused from item to item.

use crate::charset::Charset;

use super::entities;
use super::layout_cache::{MatchedItem, Span};

/// How an element differs from the format although it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// It has attributes, which nothing reads.
    Attribute,
    /// Its text is not in the character set it claims, or had control characters, which were left out.
    Charset,
    /// Its text has an entity that XML does not know.
    Entity,
    /// It has both text and elements; the text was left out.
    MixedText,
}

impl Anomaly {
    const ALL: [Self; 4] = [Self::Attribute, Self::Charset, Self::Entity, Self::MixedText];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// How many elements are kept at once: far more than any real answer has, and little enough to be harmless.
const MAX_ELEMENTS: usize = 1_000_000;

/// Elements as they were built, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Names and texts of all elements.
    characters: String,
    /// The open elements, outermost first.
    open: Vec<Open>,
    /// The outermost element that came last.
    last: Option<usize>,
    /// Whether any element has an anomaly.
    has_anomalies: bool,
}

#[derive(Debug)]
struct Node {
    name: Span,
    /// Empty in an element that has elements.
    text: Span,
    /// The element around it.
    parent: Option<usize>,
    /// The node after its last descendant.
    end: usize,
    anomalies: u8,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    node: usize,
    /// Where in the characters the text begins that came since the last tag.
    text: usize,
}

impl Tree {
    /// Forgets everything and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.characters.clear();
        self.open.clear();
        self.last = None;
        self.has_anomalies = false;
    }

    /// Makes room for what this many bytes of a document may hold, so that it need not grow step by step.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        /// An element with its two tags and a text has some thirty bytes in real responses.
        const BYTES_PER_ELEMENT: usize = 32;
        self.characters.reserve(bytes / 2);
        self.nodes.reserve(bytes / BYTES_PER_ELEMENT);
    }

    /// Whether there are more elements than any answer has.
    pub(crate) fn exceeds_limit(&self) -> bool {
        self.nodes.len() > MAX_ELEMENTS
    }

    /// Whether an element is being built.
    pub(crate) fn is_building(&self) -> bool {
        !self.open.is_empty()
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &str, attributes: bool) {
        self.end_text();
        let start = self.characters.len();
        self.characters.push_str(name);
        let name = Span { start, end: self.characters.len() };
        let (index, parent) = (self.nodes.len(), self.open.last().map(|open| open.node));
        if parent.is_none() {
            self.last = Some(index);
        }
        self.open.push(Open { node: index, text: name.end });
        self.nodes.push(Node { name, text: Span::default(), parent, end: 0, anomalies: 0 });
        if attributes {
            self.note(Anomaly::Attribute);
        }
    }

    /// Adds a whole element that was matched with a known layout, outermost.
    pub(crate) fn matched_item(&mut self, item: &MatchedItem<'_, '_>, charset: Charset) {
        let bytes = item.bytes();
        let plain = if entities::is_plain(bytes) { std::str::from_utf8(bytes).ok() } else { None };
        if let Some(plain) = plain {
            // Nearly all items are like this. Their markup is copied too: one long copy is cheaper than many short ones.
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
            let bytes = |span: Span| bytes.get(span.start..span.end).unwrap_or_default();
            self.start(&String::from_utf8_lossy(bytes(item.name())), false);
            for (name, text) in item.leaves() {
                self.start(&String::from_utf8_lossy(bytes(name)), false);
                self.text(bytes(text), charset);
                self.end();
            }
            self.end();
        }
    }

    /// Adds text with entities to the innermost open element.
    pub(crate) fn text(&mut self, bytes: &[u8], charset: Charset) {
        // Nearly all texts are like this, and need nothing done to them.
        if let (true, Ok(plain)) = (entities::is_plain(bytes), std::str::from_utf8(bytes)) {
            self.characters.push_str(plain);
            return;
        }
        let (decoded, other_charset) = charset.decode(bytes);
        let anomalies = entities::append(&decoded, &mut self.characters);
        if anomalies.entity {
            self.note(Anomaly::Entity);
        }
        if other_charset || anomalies.control {
            self.note(Anomaly::Charset);
        }
    }

    /// Adds the inside of a CDATA section to the innermost open element.
    pub(crate) fn data(&mut self, bytes: &[u8], charset: Charset) {
        let (decoded, other_charset) = charset.decode(bytes);
        if entities::append_characters(&decoded, &mut self.characters) || other_charset {
            self.note(Anomaly::Charset);
        }
    }

    /// Ends the innermost open element.
    #[expect(clippy::expect_used, reason = "every end tag was compared with a start tag")]
    pub(crate) fn end(&mut self) {
        let last = self.nodes.len();
        let Open { node, text } = *self.open.last().expect("an end tag has a start tag");
        if node + 1 == last {
            self.node_mut(node).text = Span { start: text, end: self.characters.len() };
        } else {
            self.end_text();
        }
        self.open.pop();
        self.node_mut(node).end = last;
        let end = self.characters.len();
        if let Some(parent) = self.open.last_mut() {
            parent.text = end;
        }
    }

    /// The outermost elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        Children { tree: self, next: 0, end: self.nodes.len() }
    }

    /// The outermost element that came last.
    pub(crate) fn last(&self) -> Option<Element<'_>> {
        self.last.map(|index| Element { tree: self, index })
    }

    /// Forgets the outermost element that came last.
    pub(crate) fn forget_last(&mut self) {
        let Some(index) = self.last.take() else { return };
        self.characters.truncate(self.node(index).name.start);
        self.nodes.truncate(index);
    }

    /// Every anomaly with the element it is about.
    pub(crate) fn anomalies(&self) -> impl Iterator<Item = (Anomaly, Element<'_>)> {
        let everything = if self.has_anomalies { self.nodes.len() } else { 0 };
        (0..everything).flat_map(move |index| {
            let element = Element { tree: self, index };
            let bits = self.node(index).anomalies;
            Anomaly::ALL.into_iter().filter(move |anomaly| bits & anomaly.bit() != 0).map(move |anomaly| (anomaly, element))
        })
    }

    /// Drops text that is followed by another tag than its element's end tag: the element has elements, not a text.
    fn end_text(&mut self) {
        let Some(Open { text, .. }) = self.open.last().copied() else { return };
        if text == self.characters.len() {
            return;
        }
        let is_blank = is_blank(self.characters(Span { start: text, end: self.characters.len() }));
        self.characters.truncate(text);
        if !is_blank {
            self.note(Anomaly::MixedText);
        }
    }

    fn note(&mut self, anomaly: Anomaly) {
        self.has_anomalies = true;
        if let Some(innermost) = self.open.last().map(|open| open.node) {
            self.node_mut(innermost).anomalies |= anomaly.bit();
        }
    }

    #[expect(clippy::expect_used, reason = "indexes are only made for nodes that are there")]
    fn node(&self, index: usize) -> &Node {
        self.nodes.get(index).expect("the index is of this tree")
    }

    #[expect(clippy::expect_used, reason = "indexes are only made for nodes that are there")]
    fn node_mut(&mut self, index: usize) -> &mut Node {
        self.nodes.get_mut(index).expect("the index is of this tree")
    }

    #[expect(clippy::expect_used, reason = "spans are made of lengths of this very string, between whole characters")]
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

    /// Its text as it stood; `None` when blank, which means the same as no element at all.
    pub(crate) fn text(self) -> Option<&'t str> {
        let text = self.tree.characters(self.tree.node(self.index).text);
        (has_ends(text) || !is_blank(text)).then_some(text)
    }

    /// Its text without white space around it; `None` when blank.
    pub(crate) fn trimmed(self) -> Option<&'t str> {
        self.text().map(|text| if has_ends(text) { text } else { text.trim_matches(is_white) })
    }

    /// Its elements.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        let end = self.tree.node(self.index).end;
        Children { tree: self.tree, next: self.index + 1, end }
    }

    /// Whether there is a text anywhere in it; an element without one means the same as no element at all.
    pub(crate) fn has_value(self) -> bool {
        self.texts().next().is_some()
    }

    /// Every text in it that is not blank.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'t str> {
        (self.index..self.tree.node(self.index).end).filter_map(move |index| Element { tree: self.tree, index }.text())
    }

    /// The name of the element around it and its own, as `order.status`.
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
        // An element that is still open has no end yet; what is inside it so far is all there is.
        self.next = self.tree.node(self.next).end.max(self.next + 1);
        Some(element)
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_white)
}

/// Whether neither end is white space: nearly all texts are like this, and need no trimming.
fn has_ends(text: &str) -> bool {
    let is_solid = |byte: Option<&u8>| byte.is_some_and(|byte| *byte > b' ');
    is_solid(text.as_bytes().first()) && is_solid(text.as_bytes().last())
}

/// White space in XML.
const fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

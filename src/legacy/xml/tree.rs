//! A tree of elements with their decoded texts, in two flat buffers that are reused for every list item.

use crate::charset::Charset;

use super::entities;
use super::layout_cache::{MatchedItem, Span};

/// How an element differs from the format although it can be read. Reported as schema drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// It has attributes, which no decoder reads.
    Attribute,
    /// Its text is not in the declared character set, or had control characters, which were removed.
    Charset,
    /// Its text has an entity that XML does not define.
    Entity,
    /// It has both text and child elements; the text was removed.
    MixedText,
}

impl Anomaly {
    const ALL: [Self; 4] = [Self::Attribute, Self::Charset, Self::Entity, Self::MixedText];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Maximum number of elements: far more than any real answer has, and few enough to be harmless.
const MAX_ELEMENTS: usize = 1_000_000;

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
    /// Whether any element has an anomaly.
    has_anomalies: bool,
}

#[derive(Debug)]
struct Node {
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
}

impl Tree {
    /// Removes all elements and keeps the allocated memory.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.characters.clear();
        self.open.clear();
        self.last = None;
        self.has_anomalies = false;
    }

    /// Reserves memory for the elements in this many bytes of a document.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        /// Typical size of an element with two tags and a text.
        const BYTES_PER_ELEMENT: usize = 32;
        self.characters.reserve(bytes / 2);
        self.nodes.reserve(bytes / BYTES_PER_ELEMENT);
    }

    /// Whether there are more than [`MAX_ELEMENTS`].
    pub(crate) fn exceeds_limit(&self) -> bool {
        self.nodes.len() > MAX_ELEMENTS
    }

    /// Whether an element is open.
    pub(crate) fn is_building(&self) -> bool {
        !self.open.is_empty()
    }

    /// Opens an element.
    pub(crate) fn start(&mut self, name: &str, attributes: bool) {
        self.end_text();
        let start = self.characters.len();
        self.characters.push_str(name);
        let name = Span { start, end: self.characters.len() };
        let (index, parent) = (self.nodes.len(), self.open.last().map(|open| open.node));
        if parent.is_none() {
            self.last = Some(index);
        }
        self.open.push(OpenElement { node: index, text: name.end });
        self.nodes.push(Node { name, text: Span::default(), parent, end: 0, anomalies: 0 });
        if attributes {
            self.record_anomaly(Anomaly::Attribute);
        }
    }

    /// Adds a complete outermost element that matched a layout.
    pub(crate) fn push_matched_item(&mut self, item: &MatchedItem<'_, '_>, charset: Charset) {
        let bytes = item.bytes();
        let plain = if entities::is_plain(bytes) { std::str::from_utf8(bytes).ok() } else { None };
        if let Some(plain) = plain {
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
                self.text(bytes(text), charset);
                self.end();
            }
            self.end();
        }
    }

    /// Adds text, with entities to resolve, to the innermost open element.
    pub(crate) fn text(&mut self, bytes: &[u8], charset: Charset) {
        // The common case: nothing to decode or resolve.
        if let (true, Ok(plain)) = (entities::is_plain(bytes), std::str::from_utf8(bytes)) {
            self.characters.push_str(plain);
            return;
        }
        let (decoded, is_other_charset) = charset.decode(bytes);
        let anomalies = entities::append(&decoded, &mut self.characters);
        if anomalies.entity {
            self.record_anomaly(Anomaly::Entity);
        }
        if is_other_charset || anomalies.control {
            self.record_anomaly(Anomaly::Charset);
        }
    }

    /// Adds the content of a CDATA section to the innermost open element.
    pub(crate) fn data(&mut self, bytes: &[u8], charset: Charset) {
        let (decoded, is_other_charset) = charset.decode(bytes);
        if entities::append_characters(&decoded, &mut self.characters) || is_other_charset {
            self.record_anomaly(Anomaly::Charset);
        }
    }

    /// Closes the innermost open element.
    #[expect(clippy::expect_used, reason = "the reader has matched every end tag with a start tag")]
    pub(crate) fn end(&mut self) {
        let last = self.nodes.len();
        let OpenElement { node, text } = *self.open.last().expect("an end tag has a start tag");
        // An element without children has a text.
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

    /// The last outermost element.
    pub(crate) fn last(&self) -> Option<Element<'_>> {
        self.last.map(|index| Element { tree: self, index })
    }

    /// Removes the last outermost element.
    pub(crate) fn discard_last(&mut self) {
        let Some(index) = self.last.take() else { return };
        self.characters.truncate(self.node(index).name.start);
        self.nodes.truncate(index);
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

    /// Removes the text since the last tag: what follows shows that its element has children and not a text.
    fn end_text(&mut self) {
        let Some(OpenElement { text, .. }) = self.open.last().copied() else { return };
        if text == self.characters.len() {
            return;
        }
        let is_blank = is_blank(self.characters(Span { start: text, end: self.characters.len() }));
        self.characters.truncate(text);
        if !is_blank {
            self.record_anomaly(Anomaly::MixedText);
        }
    }

    fn record_anomaly(&mut self, anomaly: Anomaly) {
        self.has_anomalies = true;
        if let Some(innermost) = self.open.last().map(|open| open.node) {
            self.node_mut(innermost).anomalies |= anomaly.bit();
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

    /// Its text, white space included; `None` when blank, which means the same as a missing element.
    pub(crate) fn text(self) -> Option<&'t str> {
        let text = self.tree.characters(self.tree.node(self.index).text);
        (is_trimmed(text) || !is_blank(text)).then_some(text)
    }

    /// Its text without leading and trailing white space; `None` when blank.
    pub(crate) fn trimmed(self) -> Option<&'t str> {
        self.text().map(|text| if is_trimmed(text) { text } else { text.trim_matches(is_white_space) })
    }

    /// Its child elements.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        let end = self.tree.node(self.index).end;
        Children { tree: self.tree, next: self.index + 1, end }
    }

    /// Whether it or a descendant has a text; an element without any means the same as a missing element.
    pub(crate) fn has_value(self) -> bool {
        self.texts().next().is_some()
    }

    /// Its text and those of its descendants, without blank ones.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'t str> {
        (self.index..self.tree.node(self.index).end).filter_map(move |index| Element { tree: self.tree, index }.text())
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

fn is_blank(text: &str) -> bool {
    text.chars().all(is_white_space)
}

/// Whether neither end is white space or a control character, which spares nearly all texts the trimming.
fn is_trimmed(text: &str) -> bool {
    let is_visible = |byte: Option<&u8>| byte.is_some_and(|byte| *byte > b' ');
    is_visible(text.as_bytes().first()) && is_visible(text.as_bytes().last())
}

const fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

//! Elements with their texts, in two flat buffers that are reused from item to item.

use crate::charset::Charset;

use super::shape::{self, Flat};
use super::text;

/// What was odd about an element although it could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// It has attributes, which nothing reads.
    Attribute,
    /// Its text is not in the character set it claims, or had control characters, which were left out.
    Charset,
    /// Its text has an entity that XML does not know.
    Entity,
    /// It has both text and elements; the text was left out.
    MixedText,
}

impl Oddity {
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
    odd: bool,
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
    oddities: u8,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    node: usize,
    /// Where in the characters the text begins that came since the last tag.
    text: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Tree {
    /// Forgets everything and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.characters.clear();
        self.open.clear();
        self.last = None;
        self.odd = false;
    }

    /// Whether there are more elements than any answer has.
    pub(crate) fn is_overgrown(&self) -> bool {
        self.nodes.len() > MAX_ELEMENTS
    }

    /// Whether an element is being built.
    pub(crate) fn is_building(&self) -> bool {
        !self.open.is_empty()
    }

    /// How many elements are open.
    pub(crate) const fn depth(&self) -> usize {
        self.open.len()
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &[u8], attributes: bool) {
        self.end_text();
        let start = self.characters.len();
        match std::str::from_utf8(name) {
            Ok(name) => self.characters.push_str(name),
            Err(_) => self.characters.push_str(&String::from_utf8_lossy(name)),
        }
        let name = Span { start, end: self.characters.len() };
        let (index, parent) = (self.nodes.len(), self.open.last().map(|open| open.node));
        if parent.is_none() {
            self.last = Some(index);
        }
        self.open.push(Open { node: index, text: name.end });
        self.nodes.push(Node { name, text: Span::default(), parent, end: 0, oddities: 0 });
        if attributes {
            self.mark(Oddity::Attribute);
        }
    }

    /// Adds an element that has a text and nothing else: a name of this length, a `>`, and the text.
    pub(crate) fn leaf(&mut self, whole: &[u8], name_length: usize, charset: Charset) {
        let plain = if text::is_plain(whole) { std::str::from_utf8(whole).ok() } else { None };
        let Some(plain) = plain else {
            let (name, text) = whole.split_at_checked(name_length).unwrap_or_default();
            self.start(name, false);
            self.text(text.get(1..).unwrap_or_default(), charset);
            return self.end();
        };
        // Nearly all are like this. They are taken as they stand, the `>` too, since nobody sees it.
        self.end_text();
        let start = self.characters.len();
        self.characters.push_str(plain);
        let (index, end) = (self.nodes.len(), self.characters.len());
        let name = Span { start, end: start + name_length };
        let text = Span { start: name.end + 1, end };
        self.nodes.push(Node { name, text, parent: self.open.last().map(|open| open.node), end: index + 1, oddities: 0 });
        if let Some(parent) = self.open.last_mut() {
            parent.text = end;
        } else {
            self.last = Some(index);
        }
    }

    /// Adds the elements that are left of the innermost open one, and ends it.
    pub(crate) fn flat(&mut self, whole: &[u8], flat: &Flat<'_>, charset: Charset) {
        let plain = if text::is_plain(whole) { std::str::from_utf8(whole).ok() } else { None };
        if let Some(plain) = plain {
            let base = self.characters.len();
            self.characters.push_str(plain);
            let at = |span: shape::Span| Span { start: base + span.start, end: base + span.end };
            let (first, parent) = (self.nodes.len(), self.open.last().map(|open| open.node));
            self.nodes.extend(flat.leaves().enumerate().map(|(index, (name, text))| Node {
                name: at(name),
                text: at(text),
                parent,
                end: first + index + 1,
                oddities: 0,
            }));
            if let Some(open) = self.open.last_mut() {
                open.text = self.characters.len();
            }
        } else {
            let bytes = |span: shape::Span| whole.get(span.start..span.end).unwrap_or_default();
            for (name, text) in flat.leaves() {
                self.start(bytes(name), false);
                self.text(bytes(text), charset);
                self.end();
            }
        }
        self.end();
    }

    /// Whether nothing of the innermost open element came but its start tag.
    pub(crate) fn has_just_begun(&self) -> bool {
        self.open.last().is_some_and(|open| open.node + 1 == self.nodes.len() && open.text == self.characters.len())
    }

    /// Adds text with entities to the innermost open element.
    pub(crate) fn text(&mut self, bytes: &[u8], charset: Charset) {
        // Nearly all texts are like this, and need nothing done to them.
        if let (true, Ok(plain)) = (text::is_plain(bytes), std::str::from_utf8(bytes)) {
            self.characters.push_str(plain);
            return;
        }
        let (decoded, other_charset) = charset.decode(bytes);
        let odd = text::append(&decoded, &mut self.characters);
        if odd.entity {
            self.mark(Oddity::Entity);
        }
        if other_charset || odd.control {
            self.mark(Oddity::Charset);
        }
    }

    /// Adds the inside of a CDATA section to the innermost open element.
    pub(crate) fn data(&mut self, bytes: &[u8], charset: Charset) {
        let (decoded, other_charset) = charset.decode(bytes);
        if text::append_characters(&decoded, &mut self.characters) || other_charset {
            self.mark(Oddity::Charset);
        }
    }

    /// Ends the innermost open element.
    pub(crate) fn end(&mut self) {
        let last = self.nodes.len();
        let Some(Open { node, text }) = self.open.last().copied() else { return };
        if node + 1 == last {
            let end = self.characters.len();
            if let Some(node) = self.nodes.get_mut(node) {
                node.text = Span { start: text, end };
            }
        } else {
            self.end_text();
        }
        self.open.pop();
        if let Some(node) = self.nodes.get_mut(node) {
            node.end = last;
        }
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
        if let Some(node) = self.nodes.get(index) {
            self.characters.truncate(node.name.start);
        }
        self.nodes.truncate(index);
    }

    /// Every oddity with the element it is about.
    pub(crate) fn oddities(&self) -> impl Iterator<Item = (Oddity, Element<'_>)> {
        let everything = if self.odd { self.nodes.len() } else { 0 };
        (0..everything).flat_map(move |index| {
            let element = Element { tree: self, index };
            let bits = self.nodes.get(index).map_or(0, |node| node.oddities);
            Oddity::ALL.into_iter().filter(move |oddity| bits & oddity.bit() != 0).map(move |oddity| (oddity, element))
        })
    }

    /// Text that is followed by another tag than its element's end tag belongs to no leaf.
    fn end_text(&mut self) {
        let Some(Open { text, .. }) = self.open.last().copied() else { return };
        if text == self.characters.len() {
            return;
        }
        let is_blank = self.characters.get(text..).is_none_or(is_blank);
        self.characters.truncate(text);
        if !is_blank {
            self.mark(Oddity::MixedText);
        }
    }

    fn mark(&mut self, oddity: Oddity) {
        self.odd = true;
        let innermost = self.open.last().map(|open| open.node);
        if let Some(node) = innermost.and_then(|index| self.nodes.get_mut(index)) {
            node.oddities |= oddity.bit();
        }
    }

    fn characters(&self, span: Span) -> &str {
        self.characters.get(span.start..span.end).unwrap_or_default()
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
        self.tree.nodes.get(self.index).map_or("", |node| self.tree.characters(node.name))
    }

    /// Its text as it stood; `None` when blank, which means the same as no element at all.
    pub(crate) fn text(self) -> Option<&'t str> {
        let text = self.tree.nodes.get(self.index).map_or("", |node| self.tree.characters(node.text));
        (has_ends(text) || !is_blank(text)).then_some(text)
    }

    /// Its text without white space around it; `None` when blank.
    pub(crate) fn trimmed(self) -> Option<&'t str> {
        self.text().map(|text| if has_ends(text) { text } else { text.trim_matches(is_white) })
    }

    /// Its elements.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        let end = self.tree.nodes.get(self.index).map_or(0, |node| node.end);
        Children { tree: self.tree, next: self.index + 1, end }
    }

    /// Whether there is a text anywhere in it; an element without one means the same as no element at all.
    pub(crate) fn has_value(self) -> bool {
        self.texts().next().is_some()
    }

    /// Every text in it that is not blank.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'t str> {
        let end = self.tree.nodes.get(self.index).map_or(self.index, |node| node.end);
        (self.index..end).filter_map(move |index| Element { tree: self.tree, index }.text())
    }

    /// The name of the element around it and its own, as `order.status`.
    pub(crate) fn path(self) -> String {
        let parent = self.tree.nodes.get(self.index).and_then(|node| node.parent);
        match parent {
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
        self.next = self.tree.nodes.get(self.next).map_or(self.end, |node| node.end.max(self.next + 1));
        Some(element)
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_white)
}

/// Whether neither end is white space: nearly all texts are like this, and need no closer look.
fn has_ends(text: &str) -> bool {
    let is_solid = |byte: Option<&u8>| byte.is_some_and(|byte| *byte > b' ');
    is_solid(text.as_bytes().first()) && is_solid(text.as_bytes().last())
}

/// White space in XML.
const fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

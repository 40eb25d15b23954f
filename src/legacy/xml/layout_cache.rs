//! Reads an item of a list by the layout of one before it.
//!
//! Lists are written by a program: their items have the same elements in the same order with the same white space between
//! them. So everything but the texts is remembered of an item, and compared with the next, which costs a fraction of reading
//! it token by token. Only *flat* items have a layout, those of elements that have a text and nothing else; what differs from
//! all known layouts in a single byte is left to the [`DocumentReader`](super::DocumentReader), which knows all cases.

use super::tag::{has_ends_of_name, is_name_byte, is_white_space};

/// How many layouts are remembered: items differ in what they leave out.
const MAX_LAYOUTS: usize = 4;
/// How many elements an item with a layout may have.
const MAX_LEAVES: usize = 64;

/// The layouts of the items so far, the one that matched last in front.
#[derive(Debug, Default)]
pub(crate) struct LayoutCache {
    known: Vec<Layout>,
    /// Where the texts are in the item that was read last.
    texts: Vec<Span>,
}

/// The bytes of an item except its texts.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// What stands before the first text, between two, and after the last: white space and tags. The first piece begins with
    /// the white space in front of the item.
    markup: Vec<Vec<u8>>,
    /// Where the item's own name stands in the first piece.
    name: Span,
    leaves: Vec<Leaf>,
}

/// An element of an item.
#[derive(Debug, PartialEq, Eq)]
struct Leaf {
    /// Which piece of markup its name stands in, and where.
    piece: usize,
    name: Span,
    /// Whether a text follows that piece; `<a/>` has none.
    has_text: bool,
}

/// A range of bytes or characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// An item that has a known layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatchedItem<'c, 'd> {
    layout: &'c Layout,
    texts: &'c [Span],
    bytes: &'d [u8],
}

impl LayoutCache {
    /// Reads an item with the white space in front of it, if it has a known layout and is all there.
    pub(super) fn read<'d>(&mut self, bytes: &'d [u8]) -> Option<MatchedItem<'_, 'd>> {
        let (index, length) = (0..self.known.len()).find_map(|index| {
            let layout = self.known.get(index)?;
            layout.read(bytes, &mut self.texts).map(|length| (index, length))
        })?;
        self.known.swap(0, index);
        Some(MatchedItem { layout: self.known.first()?, texts: &self.texts, bytes: bytes.get(..length)? })
    }

    /// Remembers the layout of an item that was read token by token and what stands in front of it.
    pub(super) fn learn(&mut self, before: &[u8], item: &[u8]) {
        let start = before.iter().rposition(|byte| !is_white_space(*byte)).map_or(0, |last| last + 1);
        let Some(layout) = before.get(start..).and_then(|white_space| Layout::of(white_space, item)) else { return };
        if !self.known.contains(&layout) {
            self.known.truncate(MAX_LAYOUTS - 1);
            self.known.insert(0, layout);
        }
    }
}

impl Layout {
    /// The layout of an item behind this white space, if it is flat and has elements.
    fn of(white_space: &[u8], item: &[u8]) -> Option<Self> {
        let (mut markup, mut leaves) = (Vec::new(), Vec::new());
        let own_name = start_tag(item)?;
        let name = Span { start: white_space.len() + 1, end: white_space.len() + 1 + own_name.len() };
        let (tag, mut rest) = item.split_at(own_name.len() + 2);
        if !tag.ends_with(b">") {
            return None;
        }
        let mut piece = [white_space, tag].concat();
        loop {
            let (before, from) = rest.split_at(rest.iter().position(|byte| !is_white_space(*byte))?);
            piece.extend_from_slice(before);
            if from.strip_prefix(b"</").and_then(|end| end.strip_prefix(own_name)).is_some_and(|end| end == b">") {
                piece.extend_from_slice(from);
                markup.push(piece);
                return Some(Self { markup, name, leaves });
            }
            let name = start_tag(from)?;
            if leaves.len() == MAX_LEAVES {
                return None;
            }
            let start = piece.len() + 1;
            let is_empty = from.get(1 + name.len()..)?.starts_with(b"/>");
            let (tag, after) = from.split_at_checked(1 + name.len() + if is_empty { 2 } else { 1 })?;
            if !tag.ends_with(b">") {
                return None;
            }
            piece.extend_from_slice(tag);
            leaves.push(Leaf { piece: markup.len(), name: Span { start, end: start + name.len() }, has_text: !is_empty });
            rest = after;
            if is_empty {
                continue;
            }
            markup.push(std::mem::take(&mut piece));
            rest = rest.get(memchr::memchr(b'<', rest)?..)?;
            let end = rest.strip_prefix(b"</")?.strip_prefix(name)?.strip_prefix(b">")?;
            let (tag, after) = rest.split_at(rest.len() - end.len());
            piece.extend_from_slice(tag);
            rest = after;
        }
    }

    /// Compares an item with this layout. Returns its length and notes where its texts are, if it matches.
    fn read(&self, bytes: &[u8], texts: &mut Vec<Span>) -> Option<usize> {
        texts.clear();
        let (last, before) = self.markup.split_last()?;
        let mut at = 0;
        for piece in before {
            let text = bytes.get(at..)?.strip_prefix(piece.as_slice())?;
            let start = at + piece.len();
            at = start + memchr::memchr(b'<', text)?;
            texts.push(Span { start, end: at });
        }
        bytes.get(at..)?.starts_with(last).then_some(at + last.len())
    }
}

impl<'d> MatchedItem<'_, 'd> {
    /// Its bytes with the white space in front of it.
    pub(super) const fn bytes(&self) -> &'d [u8] {
        self.bytes
    }

    /// The length of its bytes with the white space in front of it.
    pub(super) const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The length of its bytes.
    pub(crate) const fn own_length(&self) -> usize {
        self.bytes.len() + 1 - self.layout.name.start
    }

    /// Where its name is.
    pub(super) const fn name(&self) -> Span {
        self.layout.name
    }

    /// Where the names and texts of its elements are.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (Span, Span)> {
        self.layout.leaves.iter().map(|leaf| {
            // A piece of markup begins where the text before it ends.
            let text = |index: usize| self.texts.get(index).copied().unwrap_or_default();
            let start = leaf.piece.checked_sub(1).map_or(0, |before| text(before).end);
            let name = Span { start: start + leaf.name.start, end: start + leaf.name.end };
            (name, if leaf.has_text { text(leaf.piece) } else { Span { start: name.end, end: name.end } })
        })
    }
}

/// The name in the start tag that these bytes begin with, if it is a plain name without prefix.
fn start_tag(bytes: &[u8]) -> Option<&[u8]> {
    let inside = bytes.strip_prefix(b"<")?;
    let end = inside.iter().position(|byte| !is_name_byte(*byte) || *byte == b':')?;
    inside.get(..end).filter(|name| has_ends_of_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Leaves = Vec<(String, String)>;

    fn read(layouts: &mut LayoutCache, bytes: &str) -> Option<(String, Leaves, usize)> {
        let item = layouts.read(bytes.as_bytes())?;
        let text = |span: Span| bytes[span.start..span.end].to_owned();
        let leaves = item.leaves().map(|(name, value)| (text(name), text(value))).collect();
        Some((text(item.name()), leaves, item.length()))
    }

    #[test]
    fn an_item_is_read_by_the_layout_of_another() {
        let mut layouts = LayoutCache::default();
        layouts.learn(b"<orders>\n ", b"<order>\n <id>1</id>\n <xsp/><date></date>\n</order>");
        let item = "\n <order>\n <id>20417</id>\n <xsp/><date>2016</date>\n</order>\n<order>";
        let leaves = [("id", "20417"), ("xsp", ""), ("date", "2016")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let expected = ("order".to_owned(), leaves.to_vec(), item.len() - "\n<order>".len());
        assert_eq!(read(&mut layouts, item), Some(expected));
        assert_eq!(layouts.read(item.as_bytes()).map(|item| item.own_length()), Some(item.len() - "\n \n<order>".len()));
    }

    #[test]
    fn other_items_are_not_read() {
        let mut layouts = LayoutCache::default();
        layouts.learn(b"", b"<order><id>1</id><xsp>2</xsp></order>");
        for other in [
            "",
            "<order><id>1</id><xsp>2</xsp></order",
            " <order><id>1</id><xsp>2</xsp></order>",
            "<other><id>1</id><xsp>2</xsp></other>",
            "<order a='1'><id>1</id><xsp>2</xsp></order>",
            "<order><id>1</id> <xsp>2</xsp></order>",
            "<order><id>1</id><xsp/></order>",
            "<order><id><b>1</b></id><xsp>2</xsp></order>",
            "<order><id>1<!-- --></id><xsp>2</xsp></order>",
            "<order><id>1</id><xsp>2</xsp><more>3</more></order>",
            "<order><xsp>2</xsp><id>1</id></order>",
        ] {
            assert_eq!(read(&mut layouts, other), None, "{other}");
        }
    }

    #[test]
    fn items_that_are_not_flat_have_no_layout() {
        for item in [
            "",
            "<order/>",
            "<order a='1'><id>1</id></order>",
            "<a:order><id>1</id></a:order>",
            "<order><id>1</id>",
            "<order><id>1</id>text</order>",
            "<order><id a='1'>1</id></order>",
            "<order><a:id>1</a:id></order>",
            "<order><id><b/></id></order>",
            "<order><id>1</ID></order>",
            "<order><!-- --><id>1</id></order>",
            "<order><id>1</id></order>\n",
            "<order><1>1</1></order>",
            "<order>\x0c<id>1</id></order>",
        ] {
            assert_eq!(Layout::of(b"", item.as_bytes()), None, "{item}");
        }
    }

    #[test]
    fn few_layouts_are_remembered() {
        let mut layouts = LayoutCache::default();
        for number in 0..10 {
            layouts.learn(b"", format!("<order><id{number}>1</id{number}></order>").as_bytes());
        }
        assert_eq!(layouts.known.len(), MAX_LAYOUTS);
        assert!(read(&mut layouts, "<order><id9>1</id9></order>").is_some());
        assert!(read(&mut layouts, "<order><id0>1</id0></order>").is_none());
    }
}

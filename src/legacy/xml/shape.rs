//! Reads an item of a list by the shape of one before it.
//!
//! Lists are written by a program: their items have the same elements in the same order with the same white space between
//! them. So everything but the texts is remembered of an item, and compared with the next, which costs a fraction of looking
//! for every tag. Only *flat* items have a shape here, those of elements that have a text and nothing else; whatever differs
//! from all known shapes in a single byte is left to the [`Tokenizer`](super::Tokenizer), which knows all cases.

use super::tag::{has_ends_of_name, is_name_byte};

/// How many shapes are remembered: items differ in what they leave out.
const MAX_SHAPES: usize = 4;
/// How many elements an item with a shape may have.
const MAX_LEAVES: usize = 64;

/// The shapes of the items so far, the one that fitted last in front.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: Vec<Shape>,
    /// Where the texts are in the item that was read last.
    texts: Vec<Span>,
}

/// What the bytes of an item are, but for its texts.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    /// What stands before the first text, between two, and after the last: tags and white space.
    markup: Vec<Vec<u8>>,
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

/// A range of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// An item that has a known shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flat<'s> {
    shape: &'s Shape,
    texts: &'s [Span],
    /// The length of everything up to the end of the item's own end tag.
    pub(crate) length: usize,
}

impl Shapes {
    /// Reads the rest of an item after its start tag, if it has a known shape and is all there.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<Flat<'_>> {
        let (index, length) = (0..self.known.len()).find_map(|index| {
            let shape = self.known.get(index)?;
            shape.read(bytes, &mut self.texts).map(|length| (index, length))
        })?;
        self.known.swap(0, index);
        self.known.first().map(|shape| Flat { shape, texts: &self.texts, length })
    }

    /// Remembers the shape of an item that was read otherwise: everything after the start tag of an element with this name.
    pub(super) fn learn(&mut self, name: &[u8], bytes: &[u8]) {
        let Some(shape) = Shape::of(name, bytes) else { return };
        if !self.known.contains(&shape) {
            self.known.truncate(MAX_SHAPES - 1);
            self.known.insert(0, shape);
        }
    }
}

impl Shape {
    /// The shape of an item, if it is flat.
    fn of(item: &[u8], bytes: &[u8]) -> Option<Self> {
        let (mut markup, mut leaves) = (Vec::new(), Vec::new());
        let mut rest = bytes;
        let mut piece = Vec::new();
        loop {
            let (before, from) = rest.split_at(rest.iter().position(|byte| !byte.is_ascii_whitespace())?);
            piece.extend_from_slice(before);
            if from.strip_prefix(b"</").and_then(|end| end.strip_prefix(item)).is_some_and(|end| end == b">") {
                piece.extend_from_slice(from);
                markup.push(piece);
                return Some(Self { markup, leaves });
            }
            let inside = from.strip_prefix(b"<")?;
            let (name, after) = inside.split_at(inside.iter().position(|byte| !is_plain_name_byte(*byte))?);
            if leaves.len() == MAX_LEAVES || !has_ends_of_name(name) {
                return None;
            }
            let start = piece.len() + 1;
            let name_at = Span { start, end: start + name.len() };
            let is_empty = after.starts_with(b"/>");
            let tag = 1 + name.len() + if is_empty { 2 } else { 1 };
            if !is_empty && !after.starts_with(b">") {
                return None;
            }
            piece.extend_from_slice(from.get(..tag)?);
            leaves.push(Leaf { piece: markup.len(), name: name_at, has_text: !is_empty });
            rest = from.get(tag..)?;
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

    /// Compares an item with this shape. Returns its length and notes where its texts are, if it fits.
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

impl Flat<'_> {
    /// Where the names and texts of its elements are.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (Span, Span)> {
        self.shape.leaves.iter().map(|leaf| {
            // A piece of markup begins where the text before it ends.
            let text = |index: usize| self.texts.get(index).copied().unwrap_or_default();
            let start = leaf.piece.checked_sub(1).map_or(0, |before| text(before).end);
            let name = Span { start: start + leaf.name.start, end: start + leaf.name.end };
            (name, if leaf.has_text { text(leaf.piece) } else { Span { start: name.end, end: name.end } })
        })
    }
}

/// Names with a prefix are left to the tokenizer.
fn is_plain_name_byte(byte: u8) -> bool {
    is_name_byte(byte) && byte != b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shapes: &mut Shapes, bytes: &str) -> Option<(Vec<(String, String)>, usize)> {
        let flat = shapes.read(bytes.as_bytes())?;
        let text = |span: Span| bytes[span.start..span.end].to_owned();
        Some((flat.leaves().map(|(name, value)| (text(name), text(value))).collect(), flat.length))
    }

    #[test]
    fn an_item_is_read_by_the_shape_of_another() {
        let mut shapes = Shapes::default();
        shapes.learn(b"order", b"\n <id>1</id>\n <xsp/><date></date>\n</order>");
        let item = "\n <id>20417</id>\n <xsp/><date>2016</date>\n</order>\n<order>";
        let leaves = [("id", "20417"), ("xsp", ""), ("date", "2016")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(read(&mut shapes, item), Some((leaves.to_vec(), item.len() - "\n<order>".len())));
    }

    #[test]
    fn whatever_differs_is_not_read() {
        let mut shapes = Shapes::default();
        shapes.learn(b"order", b"<id>1</id><xsp>2</xsp></order>");
        for other in [
            "",
            "<id>1</id><xsp>2</xsp></order",
            "<id>1</id> <xsp>2</xsp></order>",
            "<id>1</id><xsp/></order>",
            "<id><b>1</b></id><xsp>2</xsp></order>",
            "<id>1<!-- --></id><xsp>2</xsp></order>",
            "<id>1</id><xsp>2</xsp><more>3</more></order>",
            "<xsp>2</xsp><id>1</id></order>",
        ] {
            assert_eq!(read(&mut shapes, other), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_flat_has_no_shape() {
        for item in [
            "<id>1</id>",
            "<id>1</id>text</order>",
            "<id a='1'>1</id></order>",
            "<a:id>1</a:id></order>",
            "<id><b/></id></order>",
            "<id>1</ID></order>",
            "<!-- --><id>1</id></order>",
            "<id>1</id></order>\n",
            "<1>1</1></order>",
        ] {
            assert_eq!(Shape::of(b"order", item.as_bytes()), None, "{item}");
        }
    }

    #[test]
    fn few_shapes_are_remembered() {
        let mut shapes = Shapes::default();
        for number in 0..10 {
            shapes.learn(b"order", format!("<id{number}>1</id{number}></order>").as_bytes());
        }
        assert_eq!(shapes.known.len(), MAX_SHAPES);
        assert!(read(&mut shapes, "<id9>1</id9></order>").is_some() && read(&mut shapes, "<id0>1</id0></order>").is_none());
    }
}

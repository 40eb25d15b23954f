//! Writes elements.

use quick_xml::escape::partial_escape;

/// A document, or a piece of one, in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer(String);

impl Writer {
    /// A document with its XML declaration.
    pub(crate) fn document() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    /// An element with what `inside` writes into it.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.start(name);
        inside(self);
        self.end(name);
    }

    /// An element with this text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.element(name, |writer| writer.0.push_str(&partial_escape(text)));
    }

    /// An element with this text, or none at all.
    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A start tag.
    pub(crate) fn start(&mut self, name: &str) {
        self.0.extend(["<", name, ">"]);
    }

    /// An end tag.
    pub(crate) fn end(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }

    /// What was written.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

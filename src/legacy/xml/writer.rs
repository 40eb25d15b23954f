//! Writes XML.

use quick_xml::escape::partial_escape;

use super::entities::writable;

/// A buffer for a document or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Writer(String);

impl Writer {
    /// A writer that has written the XML declaration.
    pub(crate) fn document() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    /// Writes an element whose content `inside` writes.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.start(name);
        inside(self);
        self.end(name);
    }

    /// Writes an element with a text. A space stands for a character that XML does not allow.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.element(name, |writer| writer.0.push_str(&partial_escape(writable(text))));
    }

    /// Writes an element with a text, or nothing for `None`.
    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// Writes a start tag.
    pub(crate) fn start(&mut self, name: &str) {
        self.0.extend(["<", name, ">"]);
    }

    /// Writes an end tag.
    pub(crate) fn end(&mut self, name: &str) {
        self.0.extend(["</", name, ">"]);
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

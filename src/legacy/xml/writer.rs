//! Writes XML.

use std::borrow::Cow;

use quick_xml::escape::partial_escape;

use super::entities::writable;

/// A buffer for a document or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
    /// Texts that lost characters which XML does not allow.
    cleaned: u32,
}

impl Writer {
    /// Writes an XML declaration.
    pub(crate) fn declaration(&mut self, charset: &str) {
        self.text.extend(["<?xml version=\"1.0\" encoding=\"", charset, "\"?>\n"]);
    }

    /// Writes an element whose content `inside` writes.
    pub(crate) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.start(name);
        inside(self);
        self.end(name);
    }

    /// Writes an element with a text. Characters that XML does not allow are left out.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.start(name);
        let writable = writable(text);
        self.cleaned += u32::from(matches!(writable, Cow::Owned(_)));
        self.text.push_str(&partial_escape(writable));
        self.end(name);
    }

    /// Writes an element with a text, or nothing for `None`.
    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// Writes a start tag.
    pub(crate) fn start(&mut self, name: &str) {
        self.text.extend(["<", name, ">"]);
    }

    /// Writes an end tag.
    pub(crate) fn end(&mut self, name: &str) {
        self.text.extend(["</", name, ">"]);
    }

    /// How many texts lost characters that XML does not allow.
    pub(crate) const fn cleaned(&self) -> u32 {
        self.cleaned
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }
}

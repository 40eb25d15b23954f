//! The text of a value that people wrote markup into, without the tags.
//!
//! Only tags are removed, never text. `<br>` is a line end, and so is each end of a block such as `<p>`; a line end in the text
//! directly after it is the same one, because editors write both (`Rad ett<br />\nrad två`). Other tags separate nothing,
//! except where elements that are no text markup directly follow one another, as in `<street>…</street><city>…</city>`: there a
//! space stands between them.

use super::Element;

/// Elements that are a paragraph, or lines, of their own.
const BLOCKS: [&str; 18] =
    ["blockquote", "center", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "p", "pre", "tr", "ul"];
/// Elements within a line, between which words may continue.
const INLINE: [&str; 27] = [
    "a", "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "img", "ins", "kbd", "mark", "q", "s", "samp", "small",
    "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
];

/// The text of an element and of those in it.
pub(super) fn of(element: Element<'_>) -> String {
    let mut text = PlainText { text: String::new(), is_line_start: true };
    text.push_content(element);
    text.text
}

struct PlainText {
    text: String,
    /// Whether the last character is the line end of a tag, or there is none.
    is_line_start: bool,
}

impl PlainText {
    fn push_content(&mut self, element: Element<'_>) {
        self.push_text(element.raw_text());
        let mut follows_separate_element = false;
        for node in element.content() {
            if node.is_text() {
                self.push_text(node.raw_text());
                follows_separate_element = false;
                continue;
            }
            let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(node.name()));
            let is_separate = !is_one_of(&INLINE);
            if is_one_of(&["br"]) {
                self.end_line();
                self.push_content(node);
            } else if is_one_of(&["hr"]) {
                // What follows it without an end tag is in it.
                self.end_block();
                self.push_content(node);
            } else if is_one_of(&BLOCKS) {
                self.end_block();
                self.push_content(node);
                self.end_block();
            } else {
                if is_separate && follows_separate_element && !self.text.ends_with(char::is_whitespace) {
                    self.push_text(" ");
                }
                self.push_content(node);
            }
            follows_separate_element = is_separate;
        }
    }

    fn push_text(&mut self, text: &str) {
        if !self.is_line_start {
            self.text.push_str(text);
        } else if !text.trim_ascii().is_empty() {
            let after_line_end = text.trim_start_matches([' ', '\t']).strip_prefix('\n');
            self.text.push_str(after_line_end.unwrap_or(text));
            self.is_line_start = false;
        }
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        self.is_line_start = true;
    }

    fn end_block(&mut self) {
        if !self.is_line_start {
            self.end_line();
        }
    }
}

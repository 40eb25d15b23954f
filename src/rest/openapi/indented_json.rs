//! JSON in which an array or object that fits into a line stays on it: shorter, and easier to read and to compare.

/// The maximum length of a line with an array or object, in bytes: an example of a problem fits.
const WIDTH: usize = 400;

/// Joins the lines of indented JSON. A line that opens an array or object ends with its bracket, and one that closes it begins
/// with it, at the same indentation: there are no line ends in strings.
pub(super) fn join_lines(indented: &str) -> String {
    let lines: Vec<&str> = indented.lines().collect();
    let mut joined = String::with_capacity(indented.len());
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        if let Some((block, others)) = joined_block(line, after) {
            joined.push_str(&block);
            rest = others;
        } else {
            joined.push_str(line);
            rest = after;
        }
        joined.push('\n');
    }
    joined
}

/// The array or object that this line opens as one line, if it fits, and the lines after it.
fn joined_block<'l, 't>(line: &str, after: &'l [&'t str]) -> Option<(String, &'l [&'t str])> {
    let indent = line.len() - line.trim_start().len();
    let mut block = line.strip_suffix(['{', '[']).map(|_| line.to_owned())?;
    for (index, next) in after.iter().enumerate() {
        let text = next.trim_start();
        if block.len() + text.len() >= WIDTH {
            return None;
        }
        block.push(' ');
        block.push_str(text);
        if next.len() - text.len() == indent {
            return Some((block, after.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_the_layout_changes() {
        let value = json!({"a": [1, 2, {"b": "}"}], "c": {}, "d": ["{ [", "]"], "long": ["x".repeat(WIDTH), "y"]});
        let joined = join_lines(&serde_json::to_string_pretty(&value).unwrap());

        assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), value);
        assert!(joined.contains("  \"a\": [ 1, 2, { \"b\": \"}\" } ],\n"), "{joined}");
        assert!(joined.contains("  \"long\": [\n"), "{joined}");
    }
}

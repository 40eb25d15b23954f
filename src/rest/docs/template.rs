//! Fills the placeholders of a template, `{{name}}`.

use std::borrow::Cow;

/// The template with the values of its placeholders. Values are inserted as they are: escaped where that is needed.
pub(super) fn fill<'v>(template: &str, value: impl Fn(&str) -> Cow<'v, str>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(&value(name));
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_once() {
        let filled = fill("<{{a}}, {{b}}>", |name| Cow::Owned(format!("{{{{{name}{name}}}}}")));

        assert_eq!(filled, "<{{aa}}, {{bb}}>");
        assert_eq!(fill("no { placeholder }", |_| Cow::Borrowed("x")), "no { placeholder }");
    }
}

//! Entity tags, and what requests ask with them (RFC 9110, section 13).
//!
//! A tag stands for exactly the bytes of an answer, so every replica gives the same one, and a caller who may see less has
//! another. The tag of a status is different: it stands for the time and type of every row in the log too, so that a status
//! that went away and came back is not the same.

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderMap;
use http::header::{HeaderValue, IF_NONE_MATCH};

use crate::model::{Extensible, Order};

/// A strong tag, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// The tag of a body.
    pub(super) fn of(body: &[u8]) -> Self {
        Self::of_all([body])
    }

    /// The tag of an order's status: of the status, and of time and type of every row in the log. Equal orders of two upstreams
    /// are not the same one.
    pub(super) fn of_status(upstream: &str, order: &Order) -> Self {
        let status = order.status.as_ref().map_or("", Extensible::as_str);
        let rows = order.messages.iter().flatten().map(|row| {
            let at = row.at.map(|at| at.to_string()).unwrap_or_default();
            format!("\n{at} {}", row.kind.as_ref().map_or("", Extensible::as_str))
        });
        let log: String = rows.collect();
        Self::of_all([upstream.as_bytes(), b"\n", status.as_bytes(), log.as_bytes()])
    }

    fn of_all<const N: usize>(parts: [&[u8]; N]) -> Self {
        /// Enough that no two answers have the same one.
        const LENGTH: usize = 16;
        let mut digest = Context::new(&SHA256);
        for part in parts {
            digest.update(part);
        }
        Self(hex::encode(digest.finish().as_ref().get(..LENGTH).unwrap_or_default()))
    }

    /// As it stands in a header.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::try_from(format!("\"{}\"", self.0)).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// Whether `If-None-Match` names the tag, weak or strong. What cannot be read names nothing.
pub(super) fn is_known(headers: &HeaderMap, tag: &ETag) -> bool {
    let names = |value: &HeaderValue| {
        let condition = Condition::parse([value]);
        condition.is_some_and(|condition| match condition {
            Condition::Any => true,
            Condition::Tags(tags) => tags.iter().any(|known| known.text == tag.0),
        })
    };
    headers.get_all(IF_NONE_MATCH).iter().any(names)
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// That there is something.
    Any,
    /// One of these.
    Tags(Vec<Named>),
}

/// A tag that a client names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    text: String,
    is_weak: bool,
}

impl Condition {
    /// Reads all values of a header; `None` when they are no list of tags.
    pub(super) fn parse<'h>(values: impl IntoIterator<Item = &'h HeaderValue>) -> Option<Self> {
        let mut tags = Vec::new();
        let mut is_any = false;
        for value in values {
            let mut rest = value.to_str().ok()?.trim_matches([' ', '\t']);
            if rest == "*" {
                is_any = true;
                continue;
            }
            loop {
                // Elements may be empty (section 5.6.1.2).
                rest = rest.trim_start_matches([' ', '\t', ',']);
                if rest.is_empty() {
                    break;
                }
                let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
                let (text, after) = quoted.strip_prefix('"')?.split_once('"')?;
                if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                    return None;
                }
                tags.push(Named { text: text.to_owned(), is_weak });
                rest = after.trim_start_matches([' ', '\t']);
                if !rest.is_empty() && !rest.starts_with(',') {
                    return None;
                }
            }
        }
        match (is_any, tags.is_empty()) {
            (true, true) => Some(Self::Any),
            (false, false) => Some(Self::Tags(tags)),
            _ => None,
        }
    }

    /// Whether something with this tag is what was asked for. A weak tag never is.
    pub(super) fn matches(&self, tag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|named| !named.is_weak && named.text == tag.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(values: &[&'static str]) -> Option<Condition> {
        let values: Vec<_> = values.iter().copied().map(HeaderValue::from_static).collect();
        Condition::parse(&values)
    }

    #[test]
    fn lists_stars_and_weak_tags_are_read() {
        let tag = ETag("abc".to_owned());
        for (values, is_met) in [
            (&["*"][..], true),
            (&["\"abc\""], true),
            (&["\"x\", \"abc\""], true),
            (&["\"x\",\t\"abc\""], true),
            (&["\"x\"", "\"abc\""], true),
            (&["W/\"abc\""], false),
            (&["W/\"abc\", \"abc\""], true),
            (&["\"ab\""], false),
            (&["\"\""], false),
            (&["\"ABC\""], false),
            (&["\"abc\","], true),
            (&["\"abc\", "], true),
            (&[",\"abc\""], true),
            (&["\"x\",,\t, \"abc\""], true),
            (&["", "\"abc\""], true),
        ] {
            assert_eq!(condition(values).map(|condition| condition.matches(&tag)), Some(is_met), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for values in [
            &[][..],
            &[""],
            &["abc"],
            &["\"abc"],
            &["abc\""],
            &[","],
            &[" ,\t, "],
            &["*,"],
            &["\"a\" \"b\""],
            &["\"a b\""],
            &["w/\"abc\""],
            &["*, \"abc\""],
            &["*", "\"abc\""],
            &["**"],
        ] {
            assert_eq!(condition(values), None, "{values:?}");
        }
    }
}

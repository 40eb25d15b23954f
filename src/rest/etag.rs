//! Entity tags and conditional requests (RFC 9110, section 13).
//!
//! An ETag is a hash, so every replica computes the same one without shared state. The ETag of a body covers its bytes: a
//! client that sees masked values gets another ETag. The ETag of an order's status also covers the time and type of every log
//! entry, so that a status that changed and changed back has a different ETag.

use std::iter;

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use headers::{ETag, Header, IfMatch, IfNoneMatch};
use http::HeaderMap;
use http::header::{HeaderValue, IF_NONE_MATCH};
use serde::{Serialize, Serializer};

use crate::model::{Extensible, Order};

/// An entity tag with its quotes, as clients send it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntityTag([u8; EntityTag::LENGTH]);

/// The ETag of a response body.
pub(super) fn of_body(body: &[u8]) -> ETag {
    EntityTag::new(&digest(&SHA256, body)).into()
}

/// The ETag of an order's status.
pub(super) fn of_status(upstream: &str, order: &Order) -> ETag {
    status_tag(upstream, order).into()
}

/// The entity tag of an order's status. The upstream's name is part of it, because two upstreams may use the same order ids.
pub(super) fn status_tag(upstream: &str, order: &Order) -> EntityTag {
    let status = order.status.as_ref().map_or("", Extensible::as_str);
    let mut digest = Context::new(&SHA256);
    let mut add = |text: &str| digest.update(text.as_bytes());
    [upstream, "\n", status].into_iter().for_each(&mut add);
    for entry in order.messages.iter().flatten() {
        add("\n");
        if let Some(at) = entry.at {
            at.with_rfc3339(&mut add);
        }
        add(" ");
        add(entry.kind.as_ref().map_or("", Extensible::as_str));
    }
    EntityTag::new(&digest.finish())
}

#[expect(clippy::expect_used, reason = "an empty ETag would match every other empty one")]
impl EntityTag {
    /// 128 bits: short in headers, and collisions are out of reach.
    const HASH: usize = 16;
    const LENGTH: usize = 2 * Self::HASH + 2;

    fn new(digest: &Digest) -> Self {
        let prefix = digest.as_ref().first_chunk::<{ Self::HASH }>().expect("a SHA-256 digest has 32 bytes");
        let mut quoted = [b'"'; Self::LENGTH];
        let digits = quoted.get_mut(1..=2 * Self::HASH).expect("a digit less at both ends");
        hex::encode_to_slice(prefix, digits).expect("two digits for each byte");
        Self(quoted)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

impl From<EntityTag> for ETag {
    #[expect(clippy::expect_used, reason = "an empty ETag would match every other empty one")]
    fn from(tag: EntityTag) -> Self {
        tag.as_str().parse().expect("quoted hexadecimal digits are an ETag")
    }
}

impl Serialize for EntityTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether `If-None-Match` lists the ETag, weak or strong. A malformed value of a repeated header is ignored, the others count.
pub(super) fn is_not_modified(headers: &HeaderMap, etag: &ETag) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter(|value| parse_list([*value]).is_some())
        .filter_map(|value| IfNoneMatch::decode(&mut iter::once(value)).ok())
        .any(|condition| !condition.precondition_passes(etag))
}

/// Parses all values of `If-Match`; `None` when they are malformed.
pub(super) fn parse_if_match(values: &[&HeaderValue]) -> Option<IfMatch> {
    match parse_list(values.iter().copied())? {
        List::Any => Some(IfMatch::any()),
        List::Tags => IfMatch::decode(&mut values.iter().copied()).ok(),
    }
}

/// The value of a conditional header.
enum List {
    /// `*`
    Any,
    Tags,
}

/// Checks the syntax `"*" / 1#entity-tag`, which [`headers`] does not: it accepts any text and skips what is not an ETag, so a
/// malformed condition would turn into one that never holds.
fn parse_list<'h>(values: impl IntoIterator<Item = &'h HeaderValue>) -> Option<List> {
    let (mut has_star, mut has_tags) = (false, false);
    for value in values {
        let mut rest = value.to_str().ok()?.trim_matches([' ', '\t']);
        if rest == "*" {
            has_star = true;
            continue;
        }
        loop {
            // A recipient accepts empty list elements (RFC 9110, section 5.6.1.2).
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (tag, after) = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
            if tag.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return None;
            }
            has_tags = true;
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
    }
    match (has_star, has_tags) {
        (true, false) => Some(List::Any),
        (false, true) => Some(List::Tags),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(values: &[&'static str]) -> Option<IfMatch> {
        let values: Vec<_> = values.iter().copied().map(HeaderValue::from_static).collect();
        parse_if_match(&values.iter().collect::<Vec<_>>())
    }

    #[test]
    fn lists_stars_and_weak_tags_are_parsed() {
        let etag: ETag = "\"abc\"".parse().unwrap();
        for (values, passes) in [
            (&["*"][..], true),
            (&["*", ""], true),
            (&["\"abc\""], true),
            (&["\"x\", \"abc\""], true),
            (&["\"x\",\t\"abc\""], true),
            (&["\"x\"", "\"abc\""], true),
            (&["\"x,y\", \"abc\""], true),
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
            let condition = if_match(values);

            assert_eq!(condition.map(|condition| condition.precondition_passes(&etag)), Some(passes), "{values:?}");
        }
    }

    #[test]
    fn malformed_lists_are_rejected() {
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
            assert_eq!(if_match(values), None, "{values:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly_and_ignores_malformed_values() {
        let etag: ETag = "\"abc\"".parse().unwrap();
        for (values, is_match) in [
            (&[][..], false),
            (&["*"], true),
            (&["\"abc\""], true),
            (&["W/\"abc\""], true),
            (&["\"x\", \"abc\""], true),
            (&["\"x\""], false),
            (&["nonsense", "\"abc\""], true),
            (&["\"a b\", \"abc\""], false),
        ] {
            let headers = values.iter().map(|value| (IF_NONE_MATCH, HeaderValue::from_static(value))).collect();

            assert_eq!(is_not_modified(&headers, &etag), is_match, "{values:?}");
        }
    }
}

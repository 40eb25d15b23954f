//! The head of an answer.
//!
//! Header lines that are not used may be wrong: they are left out, or read leniently. Those that delimit the body are read
//! strictly, see [`super::framing`].

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

/// The head of an answer, as it was received.
#[derive(Debug)]
pub(crate) struct Head<'h> {
    /// The HTTP status, from 100 to 999.
    pub(crate) status: u16,
    pub(super) is_http_1_0: bool,
    headers: &'h [Header<'h>],
}

/// What arrived is no head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no head of an HTTP answer")]
pub(super) struct InvalidHead;

/// As many header lines as nearly all answers have; preparing room for more takes time.
const USUAL_HEADERS: usize = 32;
/// More header lines than any server sends.
const MAX_HEADERS: usize = 256;

impl<'h> Head<'h> {
    /// Parses bytes that end with the empty line of a head, and hands it to `read`.
    pub(super) fn parse<T>(bytes: &[u8], read: impl FnOnce(&Head<'_>) -> T) -> Result<T, InvalidHead> {
        // More lines than there is room for are an error, which only the larger room can tell from others.
        let lines = memchr::memchr_iter(b'\n', bytes).take(USUAL_HEADERS + 1).count();
        if lines <= USUAL_HEADERS {
            Self::parse_into(bytes, &mut [MaybeUninit::uninit(); USUAL_HEADERS], read)
        } else {
            Self::parse_into(bytes, &mut [MaybeUninit::uninit(); MAX_HEADERS], read)
        }
    }

    fn parse_into<'b, T>(
        bytes: &'b [u8],
        room: &mut [MaybeUninit<Header<'b>>],
        read: impl FnOnce(&Head<'_>) -> T,
    ) -> Result<T, InvalidHead> {
        let mut response = httparse::Response::new(&mut []);
        let mut config = ParserConfig::default();
        config
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true);
        let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, room);
        let (Ok(Status::Complete(_)), Some(version), Some(status @ 100..)) = (parsed, response.version, response.code) else {
            return Err(InvalidHead);
        };
        Ok(read(&Head { status, is_http_1_0: version == 0, headers: response.headers }))
    }

    /// The values of all headers with this name, without white space at their ends.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.trim_ascii())
    }

    /// The first header with this name, if it is ASCII text; folded lines are part of it.
    pub(crate) fn text(&self, name: &str) -> Option<&'h str> {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        let value = self.all(name).next().filter(|value| value.iter().all(is_text))?;
        std::str::from_utf8(value).ok()
    }

    /// Whether there is a header with this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether a list of tokens (`Connection: keep-alive, Upgrade`) has this one.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.all(name).flat_map(|value| value.split(|&byte| byte == b','));
        tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Where the head that begins here ends: behind its empty line. `None` if that has not arrived. The search begins at `from`,
/// behind what was searched before.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let searched = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', searched).map(|position| from + position + 1).find_map(|start| match bytes.get(start..) {
        Some([b'\n', ..]) => Some(start + 1),
        Some([b'\r', b'\n', ..]) => Some(start + 2),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(head: &str, name: &str) -> Result<(u16, Option<String>), InvalidHead> {
        Head::parse(head.as_bytes(), |head| (head.status, head.text(name).map(str::to_owned)))
    }

    #[test]
    fn lines_that_are_not_used_may_be_wrong() {
        for line in ["X Debug: x", "no colon", ": x", "X-\u{e5}: x", "X-Text: \u{e5}", "X:", "X: a\r\n b"] {
            let head = format!("HTTP/1.1 200 OK\r\n{line}\r\nDate : now\r\n\r\n");
            assert_eq!(texts(&head, "date"), Ok((200, Some("now".to_owned()))), "{line}");
        }
    }

    #[test]
    fn as_many_lines_as_the_limit_are_read() {
        for (lines, is_read) in [(0, true), (31, true), (32, true), (33, true), (255, true), (256, false)] {
            let head = format!("HTTP/1.1 200 OK\r\n{}Date: now\r\n\r\n", "X: x\r\n".repeat(lines));
            assert_eq!(texts(&head, "date").is_ok(), is_read, "{lines}");
        }
    }

    #[test]
    fn status_lines_are_read_or_refused() {
        for (line, status) in [
            ("HTTP/1.1 200", Some(200)),
            ("HTTP/1.0 404 \u{e5}", Some(404)),
            ("HTTP/1.1 999 x", Some(999)),
            ("HTTP/1.1 099 x", None),
            ("HTTP/1.1 20 x", None),
            ("HTTP/2 200", None),
            ("<html>", None),
        ] {
            assert_eq!(texts(&format!("{line}\r\n\r\n"), "x").ok().map(|(status, _)| status), status, "{line}");
        }
    }

    #[test]
    fn end_of_head_is_behind_the_empty_line() {
        for (bytes, end) in [
            ("a\r\n\r\nb", Some(5)),
            ("a\n\nb", Some(3)),
            ("a\r\n\nb", Some(4)),
            ("a\n\r\nb", Some(4)),
            ("a\r\n\r", None),
            ("a\r\nb\r\n", None),
            ("", None),
        ] {
            assert_eq!(end_of_head(bytes.as_bytes(), 0), end, "{bytes:?}");
            for searched in 0..bytes.len().saturating_sub(3) {
                assert_eq!(end_of_head(bytes.as_bytes(), searched.saturating_sub(3)), end, "{bytes:?} from {searched}");
            }
        }
    }
}

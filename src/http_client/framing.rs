//! Refuses answers whose length is in doubt.
//!
//! Header lines that are not used may be wrong: hyper leaves them out, or reads them leniently. With a line that delimits the
//! body (`Content-Length`, `Transfer-Encoding`) that would be a guess: another reader on the way may understand it otherwise,
//! and then a body, or the next answer on the connection, begins where none was sent. So the bytes of a head are looked
//! through before hyper reads them ([`HeadFilter`]), and what they say together is checked afterwards ([`is_unambiguous`]).

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};

/// The length of an answer is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header line that delimits the body cannot be relied on")]
pub(super) struct AmbiguousLength;

/// Looks through the heads of the answers on a connection.
#[derive(Debug, Default)]
pub(super) struct HeadFilter {
    position: Position,
    /// A line that has not ended yet. Empty as long as lines arrive whole.
    line: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Before the status line.
    #[default]
    Start,
    /// Between the status line and the end of the head; of an interim response (1xx), another head follows.
    Head {
        is_interim: bool,
    },
    Body,
}

const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

impl HeadFilter {
    /// A request is being sent: what follows is the head of its answer.
    pub(super) fn expect_head(&mut self) {
        if self.position == Position::Body {
            self.position = Position::Start;
        }
    }

    /// Looks through bytes as they arrive.
    pub(super) fn check(&mut self, mut bytes: &[u8]) -> Result<(), AmbiguousLength> {
        while self.position != Position::Body
            && let Some(end) = memchr::memchr(b'\n', bytes)
        {
            let (line, rest) = bytes.split_at(end);
            if self.line.is_empty() {
                self.check_line(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.check_line(&whole)?;
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        // Bounded by hyper's limit of a head.
        if self.position != Position::Body {
            self.line.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn check_line(&mut self, line: &[u8]) -> Result<(), AmbiguousLength> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.position = match self.position {
            // Servers may send an empty line before an answer; hyper passes over it.
            Position::Start | Position::Head { is_interim: true } if line.is_empty() => Position::Start,
            Position::Start => Position::Head { is_interim: is_interim(line) },
            Position::Head { .. } if line.is_empty() => Position::Body,
            head @ Position::Head { .. } if FRAMING.iter().any(|name| is_misspelt(line, name)) => {
                self.position = head;
                return Err(AmbiguousLength);
            }
            other => other,
        };
        Ok(())
    }
}

/// Whether the headers delimit the body in one way: by one length, by chunks, or by the end of the connection.
pub(super) fn is_unambiguous(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        // hyper rejects lengths that differ or are no numbers.
        (None, _) => true,
        (Some(encoding), None) => encoding.as_bytes().eq_ignore_ascii_case(b"chunked") && !headers.contains_key(CONTENT_LENGTH),
        (Some(_), Some(_)) => false,
    }
}

fn is_interim(status_line: &[u8]) -> bool {
    status_line
        .split(|&byte| byte == b' ')
        .find(|part| !part.is_empty() && !part.starts_with(b"HTTP/"))
        .is_some_and(|status| status.len() == 3 && status.starts_with(b"1"))
}

/// Whether a line seems to be the header with this name and is not written as it must be.
fn is_misspelt(line: &[u8], name: &str) -> bool {
    let text = line.trim_ascii_start();
    let Some((start, rest)) = text.split_at_checked(name.len()) else { return false };
    if !start.eq_ignore_ascii_case(name.as_bytes()) {
        return false;
    }
    match rest.split_first() {
        Some((b':', value)) => text.len() != line.len() || value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'),
        // Another header whose name begins with this one.
        Some((byte, _)) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') => false,
        Some(_) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> Result<(), AmbiguousLength> {
        HeadFilter::default().check(text.as_bytes())
    }

    #[test]
    fn only_lines_that_delimit_the_body_are_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nContent-Length : 5\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length:5\r\nX-Powered-By : PHP\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length-Hint : 5\nContent: 5\n\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nContent-Length : 5\r\n",
        ] {
            assert_eq!(check(head), Ok(()), "{head}");
        }
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
            "HTTP/1.1 200 OK\n Content-Length: 5\n\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n\ttransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\u{7}\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        ] {
            assert_eq!(check(head), Err(AmbiguousLength), "{head}");
        }
    }

    #[test]
    fn every_answer_of_a_connection_is_looked_through() {
        let mut filter = HeadFilter::default();
        filter.check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").unwrap();
        filter.check(b"Content-Length : 5\r\n").unwrap();
        filter.expect_head();
        filter.check(b"HTTP/1.1 200 OK\r\n").unwrap();
        assert_eq!(filter.check(b"Content-Length : 5\r\n"), Err(AmbiguousLength));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in prop::collection::vec(1..20_usize, 1..20)) {
            for (head, expected) in [
                ("HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 5\r\n\r\nContent-Length : 5\r\n", Ok(())),
                ("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length : 5\r\n\r\n", Err(AmbiguousLength)),
            ] {
                let (mut filter, mut rest, mut result) = (HeadFilter::default(), head.as_bytes(), Ok(()));
                for cut in cuts.iter().cycle() {
                    if rest.is_empty() || result.is_err() {
                        break;
                    }
                    let (piece, more) = rest.split_at((*cut).min(rest.len()));
                    result = filter.check(piece);
                    rest = more;
                }
                prop_assert_eq!(result, expected);
            }
        }
    }
}

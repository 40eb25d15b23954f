//! How long an answer is.
//!
//! A header line that delimits the body (`Content-Length`, `Transfer-Encoding`) and is not written as it must be would be read
//! differently by another reader on the way, and then a body, or the next answer on the connection, begins where none was sent.
//! So the length of an answer is known for certain, or the answer is refused.

use super::head::Head;

/// The length of an answer is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header line that delimits the body cannot be relied on")]
pub(super) struct AmbiguousLength;

/// A body does not have the form that its head announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunks of the body are malformed")]
pub(super) struct InvalidChunk;

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing: the body is complete.
    Complete,
    /// This many bytes.
    Length(u64),
    /// Chunks, and how many bytes of extensions and trailers there were, which are not used.
    Chunked(Chunk, usize),
    /// Everything until the server closes the connection.
    UntilClose,
}

/// Where in its chunks a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before the line with the size of a chunk.
    Size,
    /// In the data of a chunk, with this many bytes to come.
    Data(u64),
    /// Before the line end behind the data.
    DataEnd,
    /// In the trailers, which are not used.
    Trailers,
}

/// What received bytes are, seen from a place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This many bytes are data.
    Data(usize),
    /// This many bytes only delimit data.
    Skip(usize),
    /// More must arrive before that is known.
    Incomplete,
}

const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];
/// Limit of the line with a chunk's size, and of each line of the trailers, in bytes.
const MAX_LINE: usize = 8 * 1024;
/// Limit of all extensions and trailers together, in bytes.
const MAX_UNUSED: usize = 16 * 1024;
/// Chunks, from the first on.
const CHUNKED: Framing = Framing::Chunked(Chunk::Size, 0);

impl Framing {
    /// How the body is delimited: by one length, by chunks, or by the end of the connection. `bytes` are those of the head.
    pub(super) fn of(head: &Head<'_>, bytes: &[u8]) -> Result<Self, AmbiguousLength> {
        let mut is_continued = false;
        for line in bytes.split(|&byte| byte == b'\n').skip(1) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_folded = matches!(line, [b' ' | b'\t', ..]);
            if (is_continued && is_folded) || FRAMING.iter().any(|name| is_misspelt(line, name)) {
                return Err(AmbiguousLength);
            }
            is_continued = FRAMING.iter().any(|name| begins_with(line, name));
        }
        let mut encodings = head.all("transfer-encoding");
        let framing = match (encodings.next(), encodings.next()) {
            (None, _) => content_length(head)?.map_or(Self::UntilClose, Self::of_length),
            // HTTP/1.0 has no chunks: another reader would take them for the body.
            (Some(encoding), None)
                if encoding.eq_ignore_ascii_case(b"chunked") && !head.is_http_1_0 && !head.contains("content-length") =>
            {
                CHUNKED
            }
            (Some(_), _) => return Err(AmbiguousLength),
        };
        Ok(if matches!(head.status, 204 | 304) { Self::Complete } else { framing })
    }

    const fn of_length(length: u64) -> Self {
        if length == 0 { Self::Complete } else { Self::Length(length) }
    }

    /// What the next bytes are, and what is still to come behind them.
    pub(super) fn step(self, bytes: &[u8]) -> Result<(Step, Self), InvalidChunk> {
        if bytes.is_empty() {
            return Ok((Step::Incomplete, self));
        }
        match self {
            Self::Complete => Ok((Step::Incomplete, self)),
            Self::UntilClose => Ok((Step::Data(bytes.len()), self)),
            Self::Length(left) => {
                let (taken, left) = take(left, bytes);
                Ok((Step::Data(taken), Self::of_length(left)))
            }
            Self::Chunked(Chunk::Data(left), unused) => {
                let (taken, left) = take(left, bytes);
                let next = if left == 0 { Chunk::DataEnd } else { Chunk::Data(left) };
                Ok((Step::Data(taken), Self::Chunked(next, unused)))
            }
            Self::Chunked(chunk, unused) => match line(bytes)? {
                None => Ok((Step::Incomplete, self)),
                Some(line) => Ok((Step::Skip(line.len() + "\r\n".len()), after_line(chunk, unused, line)?)),
            },
        }
    }
}

/// As many bytes as there are of a number that is to come, and how many are still to come then.
fn take(left: u64, bytes: &[u8]) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (taken, left - taken as u64)
}

/// What follows a line between the data of chunks.
fn after_line(chunk: Chunk, unused: usize, line: &[u8]) -> Result<Framing, InvalidChunk> {
    let (next, additional) = match chunk {
        Chunk::DataEnd if line.is_empty() => (Chunk::Size, 0),
        Chunk::Data(_) | Chunk::DataEnd => return Err(InvalidChunk),
        Chunk::Size => {
            let (size, rest) = chunk_size(line)?;
            (if size == 0 { Chunk::Trailers } else { Chunk::Data(size) }, rest)
        }
        Chunk::Trailers if line.is_empty() => return Ok(Framing::Complete),
        Chunk::Trailers => (Chunk::Trailers, line.len()),
    };
    if unused + additional > MAX_UNUSED {
        return Err(InvalidChunk);
    }
    Ok(Framing::Chunked(next, unused + additional))
}

/// The line that begins here, without its end, which must be CR LF; `None` if it has not arrived.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, InvalidChunk> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) if end <= MAX_LINE => {
            let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(InvalidChunk)?;
            if line.contains(&b'\r') { Err(InvalidChunk) } else { Ok(Some(line)) }
        }
        None if bytes.len() <= MAX_LINE => Ok(None),
        Some(_) | None => Err(InvalidChunk),
    }
}

/// The size of a chunk, and how many bytes follow it in its line: extensions, which are not used.
fn chunk_size(line: &[u8]) -> Result<(u64, usize), InvalidChunk> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let behind = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    if !(1..=16).contains(&digits.len()) || behind.is_some_and(|byte| *byte != b';') {
        return Err(InvalidChunk);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| InvalidChunk)?;
    Ok((u64::from_str_radix(digits, 16).map_err(|_| InvalidChunk)?, rest.len()))
}

/// The length that all `Content-Length` headers agree on; `None` if there is none.
fn content_length(head: &Head<'_>) -> Result<Option<u64>, AmbiguousLength> {
    let mut length = None;
    for value in head.all("content-length").flat_map(|value| value.split(|&byte| byte == b',')) {
        let digits = std::str::from_utf8(value.trim_ascii()).map_err(|_| AmbiguousLength)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AmbiguousLength);
        }
        let value: u64 = digits.parse().map_err(|_| AmbiguousLength)?;
        if length.is_some_and(|length| length != value) {
            return Err(AmbiguousLength);
        }
        length = Some(value);
    }
    Ok(length)
}

fn begins_with(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a line seems to be the header with this name and is not written as it must be.
fn is_misspelt(line: &[u8], name: &str) -> bool {
    let text = line.trim_ascii_start();
    if !begins_with(text, name) {
        return false;
    }
    match text.get(name.len()..).unwrap_or_default().split_first() {
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

    fn framing(lines: &str) -> Option<Framing> {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        Head::parse(head.as_bytes(), |parsed| Framing::of(parsed, head.as_bytes())).unwrap().ok()
    }

    /// The data of a body that arrives in pieces; `None` if it is malformed, incomplete, or something follows.
    fn data(mut framing: Framing, body: &[u8], cuts: &[usize]) -> Option<Vec<u8>> {
        let (mut data, mut waiting, mut rest) = (Vec::new(), Vec::new(), body);
        for cut in cuts.iter().copied().cycle() {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            waiting.extend_from_slice(piece);
            rest = more;
            loop {
                let (step, next) = framing.step(&waiting).ok()?;
                framing = next;
                match step {
                    Step::Data(length) => data.extend(waiting.drain(..length)),
                    Step::Skip(length) => drop(waiting.drain(..length)),
                    Step::Incomplete => break,
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        (framing == Framing::Complete && waiting.is_empty()).then_some(data)
    }

    #[test]
    fn length_is_known_or_the_answer_is_refused() {
        for (lines, expected) in [
            ("", Some(Framing::UntilClose)),
            ("Content-Length: 5\r\n", Some(Framing::Length(5))),
            ("content-length:\t0 \r\n", Some(Framing::Complete)),
            ("Content-Length: 5\r\nContent-Length: 5, 5\r\n", Some(Framing::Length(5))),
            ("Content-Length-Hint : 5\r\nX-Powered-By : PHP\r\n", Some(Framing::UntilClose)),
            ("Transfer-Encoding: Chunked\r\n", Some(CHUNKED)),
            ("Content-Length: 5\r\n 6\r\n", None),
            ("Content-Length:\r\n 5\r\n", None),
            ("Content-Length: 5\r\n , 5\r\n", None),
            ("Transfer-Encoding:\r\n\tchunked\r\n", None),
            ("X: a\r\n b\r\nContent-Length: 5\r\n", Some(Framing::Length(5))),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", None),
            ("Content-Length: 5, 6\r\n", None),
            ("Content-Length: +5\r\n", None),
            ("Content-Length:\r\n", None),
            ("Content-Length: 18446744073709551616\r\n", None),
            ("Content-Length : 5\r\n", None),
            (" Content-Length: 5\r\n", None),
            ("X: y\r\n\ttransfer-encoding: chunked\r\n", None),
            ("Content-Length\r\n", None),
            ("Content-Length: 5\u{7}\r\n", None),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", None),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", None),
            ("Transfer-Encoding: gzip, chunked\r\n", None),
            ("Transfer-Encoding:\r\n", None),
        ] {
            assert_eq!(framing(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn chunks_are_read_strictly() {
        let chunked = CHUNKED;
        for (body, expected) in [
            ("3\r\nabc\r\n0\r\n\r\n", Some("abc")),
            ("3;name=value\r\nabc\r\n00\r\nX: y\r\n\r\n", Some("abc")),
            ("1 \r\na\r\n0000000000000002\r\nbc\r\n0\r\n\r\n", Some("abc")),
            ("A\r\nabcdefghij\r\n0\r\n\r\n", Some("abcdefghij")),
            ("3\r\r\nabc\r\n0\r\n\r\n", None),
            ("3;a\rb\r\nabc\r\n0\r\n\r\n", None),
            ("3 a\r\nabc\r\n0\r\n\r\n", None),
            ("3\nabc\r\n0\r\n\r\n", None),
            ("3\r\nabc\n0\r\n\r\n", None),
            ("3\r\nabcd\r\n0\r\n\r\n", None),
            (" 3\r\nabc\r\n0\r\n\r\n", None),
            ("+3\r\nabc\r\n0\r\n\r\n", None),
            ("0x3\r\nabc\r\n0\r\n\r\n", None),
            ("\r\nabc", None),
            ("00000000000000003\r\nabc\r\n0\r\n\r\n", None),
            ("3\r\nabc\r\n0\r\n", None),
            ("3\r\nabc\r\n0\r\n\r\nmore", None),
        ] {
            assert_eq!(
                data(chunked, body.as_bytes(), &[body.len()]),
                expected.map(|text| text.as_bytes().to_vec()),
                "{body:?}"
            );
        }
    }

    #[test]
    fn lines_between_chunks_are_limited() {
        for (length, is_read) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            let size = format!("3;{}\r", "x".repeat(length - 3));
            let body = format!("{size}\nabc\r\n0\r\n\r\n");
            assert_eq!(data(CHUNKED, body.as_bytes(), &[body.len()]).is_some(), is_read, "{length}");
            assert_eq!(CHUNKED.step(size.as_bytes()).is_ok(), is_read, "{length}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_limited_together() {
        let trailer = format!("X: {}\r\n", "x".repeat(1_020));
        for (trailers, is_read) in [(16, true), (17, false)] {
            let body = format!("3\r\nabc\r\n0\r\n{}\r\n", trailer.repeat(trailers));
            assert_eq!(data(CHUNKED, body.as_bytes(), &[body.len()]).is_some(), is_read, "{trailers}");
        }
    }

    #[test]
    fn http_1_0_has_no_chunks() {
        let head = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(Head::parse(head, |parsed| Framing::of(parsed, head)).unwrap(), Err(AmbiguousLength));
    }

    proptest! {
        #[test]
        fn any_chunks_in_any_pieces_are_the_data(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(1..30_usize, 1..10),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let sent = chunks.concat();

            prop_assert_eq!(data(CHUNKED, &body, &cuts), Some(sent.clone()));
            if !sent.is_empty() {
                prop_assert_eq!(data(Framing::Length(sent.len() as u64), &sent, &cuts), Some(sent));
            }
            for end in 0..body.len() {
                prop_assert_eq!(data(CHUNKED, &body[..end], &cuts), None, "cut at {}", end);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200), cuts in prop::collection::vec(1..30_usize, 1..10)) {
            let _ = data(CHUNKED, &body, &cuts);
        }
    }
}

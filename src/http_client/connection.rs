//! One HTTP/1.1 connection, which carries one request at a time.
//!
//! Why not hyper's client: what may be repeated, and what may be reported as not sent, depends on which bytes went out and which
//! came back, and that is known for certain only here. A request takes no task, no channel and no new buffer: the bytes that
//! arrive are parsed where they lie. `httparse`, which hyper uses, reads the heads.

use std::io;
use std::net::SocketAddr;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use super::cause::{self, Cause};
use super::framing::{Framing, Step};
use super::head::{Head, end_of_head};
use super::stream::Stream;

/// Limit of a head, and the largest read: more makes lists no faster and each of them larger.
const MAX_BUFFER: usize = 64 * 1024;
/// Room for a usual answer. An idle connection holds this much.
const INITIAL_BUFFER: usize = 8 * 1024;

/// A connection for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    made_at: Instant,
    /// The runtime that waits for the socket.
    runtime: runtime::Id,
    received: Vec<u8>,
    /// Where in `received` the bytes begin that were not read yet.
    next: usize,
    /// What is still to come of the present answer.
    framing: Framing,
    /// Whether the server keeps the connection open after it.
    is_kept_alive: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection could be made, or the server rejected it before it read the request. Nothing was processed.
    #[error("nothing was sent ({})", .0.label())]
    NotSent(Cause),
    /// The connection was lost. The request may have arrived.
    #[error("the connection was lost")]
    ConnectionLost {
        /// Whether nothing of an answer had arrived.
        is_unanswered: bool,
    },
    /// What arrived is no HTTP response, or does not say how long it is.
    #[error("the answer is not valid HTTP")]
    InvalidHttp,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        let received = Vec::with_capacity(INITIAL_BUFFER);
        Self {
            stream,
            made_at: Instant::now(),
            runtime: Handle::current().id(),
            received,
            next: 0,
            framing: Framing::Complete,
            is_kept_alive: true,
        }
    }

    pub(crate) const fn peer(&self) -> SocketAddr {
        self.stream.peer()
    }

    pub(super) const fn runtime(&self) -> runtime::Id {
        self.runtime
    }

    pub(super) const fn made_at(&self) -> Instant {
        self.made_at
    }

    /// Whether the answer was read to its end and another request may follow.
    pub(super) fn is_reusable(&self) -> bool {
        self.is_kept_alive && self.framing == Framing::Complete && self.next == self.received.len()
    }

    /// Whether the server has neither closed the connection nor sent anything that no request asked for, as far as is known.
    pub(super) fn is_open(&mut self) -> bool {
        self.stream.read(&mut [0]).now_or_never().is_none()
    }

    /// Gives back the room that a large answer took.
    pub(super) fn shrink(&mut self) {
        self.received.clear();
        self.next = 0;
        self.received.shrink_to(INITIAL_BUFFER);
    }

    /// Sends a request and waits for the head of its answer, which `read` takes what it needs from.
    pub(super) async fn send<T>(&mut self, request: &[u8], read: impl Fn(&Head<'_>) -> T) -> Result<T, SendError> {
        // A server that rejects a connection may have done so by now, and will not read the request.
        match self.stream.read(&mut [0]).now_or_never() {
            None => {}
            Some(Err(error)) if cause::rejects_client_certificate(&error) => {
                return Err(SendError::NotSent(Cause::ClientCertificate));
            }
            Some(_) => return Err(SendError::NotSent(Cause::Reset)),
        }
        self.write(request).await.map_err(|error| lost(&error, true))?;
        let mut is_unanswered = true;
        let mut searched = 0;
        // Bytes before the head of the final answer.
        let mut skipped = 0;
        loop {
            if searched == 0 {
                skipped += self.skip_empty_lines();
            }
            if skipped > MAX_BUFFER {
                return Err(SendError::InvalidHttp);
            }
            let pending = self.pending();
            let Some(end) = end_of_head(pending, searched) else {
                // An empty line may arrive in pieces.
                searched = pending.len().saturating_sub(3);
                match self.receive().await {
                    Ok(0) => return Err(SendError::ConnectionLost { is_unanswered }),
                    Ok(_) => is_unanswered = false,
                    Err(error) => return Err(lost(&error, is_unanswered)),
                }
                continue;
            };
            let head = pending.split_at(end).0;
            let answer = Head::parse(head, |parsed| Answer::of(parsed, head, &read)).map_err(|_| SendError::InvalidHttp)??;
            self.next += end;
            skipped += end;
            searched = 0;
            if let Some(Answer { framing, is_kept_alive, value }) = answer {
                self.framing = framing;
                self.is_kept_alive = is_kept_alive;
                return Ok(value);
            }
        }
    }

    /// The next bytes of the body, `None` at its end.
    pub(super) async fn next_chunk(&mut self) -> Option<Result<&[u8], SendError>> {
        const LOST: SendError = SendError::ConnectionLost { is_unanswered: false };
        let chunk = loop {
            if self.framing == Framing::Complete {
                return None;
            }
            let Ok((step, framing)) = self.framing.step(self.pending()) else { return Some(Err(LOST)) };
            self.framing = framing;
            match step {
                Step::Data(length) => {
                    let start = self.next;
                    self.next += length;
                    break start..self.next;
                }
                Step::Skip(length) => self.next += length,
                Step::Incomplete => match self.receive().await {
                    Ok(0) if framing == Framing::UntilClose => self.framing = Framing::Complete,
                    Ok(0) | Err(_) => return Some(Err(LOST)),
                    Ok(_) => {}
                },
            }
        };
        Some(Ok(self.received.get(chunk).unwrap_or_default()))
    }

    async fn write(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await
    }

    /// Waits for more bytes. Returns how many arrived, 0 at the end of the connection.
    async fn receive(&mut self) -> io::Result<usize> {
        let was_full = self.received.len() == self.received.capacity();
        self.received.drain(..std::mem::take(&mut self.next));
        if was_full && self.received.capacity() < MAX_BUFFER {
            self.received.reserve_exact(2 * self.received.capacity() - self.received.len());
        }
        if self.received.len() >= MAX_BUFFER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong));
        }
        self.stream.read_buf(&mut self.received).await
    }

    /// The bytes that were not read yet.
    fn pending(&self) -> &[u8] {
        self.received.get(self.next..).unwrap_or_default()
    }

    /// Servers may send empty lines before an answer. Returns how many bytes.
    fn skip_empty_lines(&mut self) -> usize {
        let start = self.next;
        while let [b'\n', ..] | [b'\r', b'\n', ..] = self.pending() {
            self.next += if self.pending().starts_with(b"\n") { 1 } else { 2 };
        }
        self.next - start
    }
}

/// The head of a final answer.
struct Answer<T> {
    framing: Framing,
    is_kept_alive: bool,
    value: T,
}

impl<T> Answer<T> {
    /// `None` for an interim answer, behind which another follows.
    fn of(head: &Head<'_>, bytes: &[u8], read: impl Fn(&Head<'_>) -> T) -> Result<Option<Self>, SendError> {
        match head.status {
            // Nothing asks for a switch of protocols.
            101 => Err(SendError::InvalidHttp),
            100..=199 => Ok(None),
            _ => {
                let framing = Framing::of(head, bytes).map_err(|_| SendError::InvalidHttp)?;
                // The head of an answer without a body may announce one all the same, which some servers then send.
                let is_kept_alive = framing != Framing::UntilClose
                    && !matches!(head.status, 204 | 304)
                    && !head.has_token("connection", "close")
                    && (!head.is_http_1_0 || head.has_token("connection", "keep-alive"));
                Ok(Some(Self { framing, is_kept_alive, value: read(head) }))
            }
        }
    }
}

/// The head of an answer is longer than the buffer.
#[derive(Debug, thiserror::Error)]
#[error("it is longer than {MAX_BUFFER} bytes")]
struct TooLong;

/// Why a request that may have arrived has no answer.
fn lost(error: &io::Error, is_unanswered: bool) -> SendError {
    if is_unanswered && cause::rejects_client_certificate(error) {
        SendError::NotSent(Cause::ClientCertificate)
    } else if cause::find::<TooLong>(error).is_some() {
        SendError::InvalidHttp
    } else {
        SendError::ConnectionLost { is_unanswered }
    }
}

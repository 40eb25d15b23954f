//! Timeouts of one client connection, against slow-loris clients.
//!
//! A client can hold a connection by opening it and staying silent, by sending a head byte by byte, or by not reading its
//! response. hyper has one timeout against that, for heads, but it also runs while a keep-alive connection is idle. There the
//! limit must be longer than the keep-alive of an ingress in front: a connection that is closed at the moment when it is reused
//! costs a request. So this module observes the bytes of the connection and keeps it in one of three phases, each with a limit
//! of its own:
//!
//! ```text
//!            head complete               response flushed
//!   Head ─────────────────────► Busy ─────────────────────────► Idle
//!    ▲                           │                               │
//!    ├── flushed, and the next ──┘                               │
//!    │   head has begun already                                  │
//!    └──────────────────────── first byte of the next head ──────┘
//! ```
//!
//! | Phase | Limit | Counted from |
//! | --- | --- | --- |
//! | head | `header_timeout` | the opening of the connection (TLS handshake included), or the first byte of a later head |
//! | busy | `response_timeout` | the complete head |
//! | idle | `idle_timeout` | the flush after a response |
//! | any | `write_stall_timeout` | the first write that the socket did not accept; any accepted write ends the stall |
//!
//! The hard case is pipelining. hyper does not say how much of what it has read belongs to the next request, so a half-sent
//! second head would look like an idle connection, with the long limit. This module therefore notes whether bytes arrived after
//! the end of the head that hyper has just parsed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;

#[cfg(test)]
mod tests;

/// The timeouts of one connection. Clones share state.
#[derive(Debug, Clone)]
pub(super) struct ConnectionTimeouts(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limits: Limits,
    phase: Phase,
    phase_began: Instant,
    /// When the socket stopped accepting bytes that are ready to be written.
    stalled_since: Option<Instant>,
    has_received_request: bool,
    /// Whether bytes of a later request have arrived while the current one is served.
    next_head_begun: bool,
    /// Whether the current response has ended, although its last bytes may not be written yet.
    response_ended: bool,
    body: ResponseBody,
    /// The last bytes that were read, to recognise the end of a head that arrives in pieces.
    tail: [u8; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Busy { has_body: bool },
}

/// How clients recognise the end of the current response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseBody {
    KnownLength,
    /// By the last chunk, or in HTTP/1.0 by the end of the connection.
    Stream,
    /// Not at all: the connection must close without it.
    Failed,
}

impl ConnectionTimeouts {
    /// For a connection that has just been accepted. It is in the head phase: a client that connects has a request to send.
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(State {
            limits,
            phase: Phase::Head,
            phase_began: Instant::now(),
            stalled_since: None,
            has_received_request: false,
            next_head_begun: false,
            response_ended: false,
            body: ResponseBody::KnownLength,
            tail: [0; 3],
        })))
    }

    /// Records that hyper has parsed a complete head.
    pub(super) fn request_received(&self, has_body: bool) {
        let mut state = self.0.lock();
        state.enter(Phase::Busy { has_body });
        // Without a body, anything read after the end of this head belongs to a pipelined request. With one we cannot tell
        // whether trailing bytes are body or a pipelined request; assume body.
        let ends_with_head = state.tail == *b"\n\r\n" || state.tail.ends_with(b"\n\n");
        state.next_head_begun = !has_body && !ends_with_head;
        state.response_ended = false;
        state.body = ResponseBody::KnownLength;
        state.has_received_request = true;
    }

    /// Whether the connection has had a complete request.
    pub(super) fn has_received_request(&self) -> bool {
        self.0.lock().has_received_request
    }

    /// Records that the response has ended. The phase changes only with the next flush: hyper takes the end of a body before it
    /// has written what came before.
    pub(super) fn response_ended(&self) {
        self.0.lock().response_ended = true;
    }

    /// Records that a response with a body of unknown length begins.
    pub(super) fn stream_begun(&self) {
        self.0.lock().body = ResponseBody::Stream;
    }

    /// Records that the body has failed, so that the connection will close without its end.
    pub(super) fn stream_failed(&self) {
        self.0.lock().body = ResponseBody::Failed;
    }

    /// Whether a connection that closes now has to be reset: to an HTTP/1.0 client, the regular end of a connection is the
    /// regular end of a body of unknown length.
    pub(super) fn must_reset(&self) -> bool {
        let state = self.0.lock();
        match state.body {
            ResponseBody::KnownLength => false,
            ResponseBody::Stream => !state.response_ended,
            ResponseBody::Failed => true,
        }
    }

    /// Whether a request is being served.
    pub(super) fn is_responding(&self) -> bool {
        let state = self.0.lock();
        matches!(state.phase, Phase::Busy { .. }) && !state.response_ended
    }

    /// Whether the connection is between two requests.
    pub(super) fn is_idle(&self) -> bool {
        self.0.lock().phase == Phase::Idle
    }

    /// Since when the connection has waited for its client to send a request: since the last response, or, more than
    /// `head_grace` ago, since the head began. `None` while it serves a request.
    pub(super) fn waiting_since(&self, now: Instant, head_grace: Duration) -> Option<Instant> {
        let state = self.0.lock();
        let is_waiting = match state.phase {
            Phase::Idle => true,
            Phase::Head => state.phase_began + head_grace <= now,
            Phase::Busy { .. } => false,
        };
        is_waiting.then_some(state.phase_began)
    }

    /// Whether the connection is waiting for the rest of a head, or for its first one.
    pub(super) fn awaits_head(&self) -> bool {
        self.0.lock().phase == Phase::Head
    }

    /// Records that everything is written. hyper flushes the socket only when it holds nothing back itself.
    pub(super) fn flushed(&self) {
        let mut state = self.0.lock();
        if std::mem::take(&mut state.response_ended) {
            let next = if state.next_head_begun { Phase::Head } else { Phase::Idle };
            state.enter(next);
        }
    }

    /// Resolves when a limit is exceeded.
    pub(super) fn timed_out(&self) -> TimedOut {
        let deadline = self.0.lock().deadline();
        TimedOut { timeouts: self.clone(), armed_for: deadline, sleep: Box::pin(sleep_until(deadline)) }
    }

    /// Records bytes that the client sent.
    pub(super) fn bytes_read(&self, bytes: &[u8]) {
        let mut state = self.0.lock();
        match state.phase {
            // Old clients send an extra line end after a request. It begins no head, and servers ignore it (RFC 9112,
            // section 2.2).
            Phase::Idle | Phase::Busy { has_body: false } if bytes.iter().all(|byte| b"\r\n".contains(byte)) => {}
            Phase::Idle => state.enter(Phase::Head),
            Phase::Busy { has_body: false } => state.next_head_begun = true,
            Phase::Head | Phase::Busy { has_body: true } => {}
        }
        for byte in bytes.iter().skip(bytes.len().saturating_sub(state.tail.len())) {
            let [_, second, third] = state.tail;
            state.tail = [second, third, *byte];
        }
    }

    /// Records the outcome of a write to the socket. `Pending` means that the client does not read as fast as we write.
    pub(super) fn write_polled<T>(&self, outcome: &Poll<io::Result<T>>) {
        let mut state = self.0.lock();
        match outcome {
            Poll::Ready(_) => state.stalled_since = None,
            // Only the first of several pending polls: a client that reads nothing must not extend its own limit.
            Poll::Pending => state.stalled_since = state.stalled_since.or_else(|| Some(Instant::now())),
        }
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.phase_began) = (phase, Instant::now());
    }

    /// When the first of the limits is exceeded.
    fn deadline(&self) -> Instant {
        let limit = match self.phase {
            Phase::Idle => self.limits.idle_timeout,
            Phase::Head => self.limits.header_timeout,
            Phase::Busy { .. } => self.limits.response_timeout,
        };
        let deadline = self.phase_began + limit;
        let stall_deadline = self.stalled_since.map(|since| since + self.limits.write_stall_timeout);
        stall_deadline.map_or(deadline, |stall_deadline| stall_deadline.min(deadline))
    }
}

/// Resolves when a limit is exceeded. Nothing wakes it when the deadline moves, so it must be polled after every poll of the
/// connection.
pub(super) struct TimedOut {
    timeouts: ConnectionTimeouts,
    /// What the timer is set to. A later deadline does not reset it: it moves with nearly every byte, and setting a timer is
    /// much dearer than letting it fire early once.
    armed_for: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Future for TimedOut {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.timeouts.0.lock().deadline();
            if deadline < self.armed_for {
                self.armed_for = deadline;
                self.sleep.as_mut().reset(deadline);
            }
            ready!(self.sleep.as_mut().poll(context));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            // The timer fired, but the deadline has moved since it was set.
            self.armed_for = deadline;
            self.sleep.as_mut().reset(deadline);
        }
    }
}

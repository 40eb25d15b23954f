//! Watches what a client takes its time over.
//!
//! hyper has a time limit for heads, but it runs while a connection is idle too, and there it must be longer: an ingress
//! keeps its connections for a minute, and one that is closed in the moment it is used again costs a request. So the bytes
//! are watched here, and a connection is in one of three phases: *idle*, in the *head* of a request, or *busy* with one.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;

#[cfg(test)]
mod tests;

/// What is known of one connection. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct ConnectionTimeouts(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limits: Limits,
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Since when the client has taken nothing, although there is something to take.
    stalled: Option<Instant>,
    /// Whether a head was whole.
    has_had_request: bool,
    /// Whether bytes have come that belong to a later request.
    is_more_there: bool,
    /// Whether nothing is left to be said to a request, although it may not have been sent yet.
    is_said: bool,
    /// The bytes that came last, however many at a time.
    last: [u8; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Busy { has_body: bool },
}

impl ConnectionTimeouts {
    /// A connection that has just been opened: its first head is awaited.
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(State {
            limits,
            phase: Phase::Head,
            since: Instant::now(),
            stalled: None,
            has_had_request: false,
            is_more_there: false,
            is_said: false,
            last: [0; 3],
        })))
    }

    /// A head is whole.
    pub(super) fn request_received(&self, has_body: bool) {
        let mut state = self.state();
        state.enter(Phase::Busy { has_body });
        // Clients may send a request before they have the response to the one before. Where this one has a body, what came
        // with its head cannot be told from it here, and is not taken for more.
        state.is_more_there = !has_body && !state.has_end_of_head();
        state.is_said = false;
        state.has_had_request = true;
    }

    /// Whether there was a request at all.
    pub(super) fn has_had_request(&self) -> bool {
        self.state().has_had_request
    }

    /// Nothing is left to be said to a request. hyper takes the end of a response before it has sent what came before it.
    pub(super) fn response_ended(&self) {
        self.state().is_said = true;
    }

    /// Whether the head of a request is awaited, or has begun and is not whole.
    pub(super) fn is_in_head(&self) -> bool {
        self.state().phase == Phase::Head
    }

    /// Everything is sent that there was. hyper flushes the socket when it holds nothing back itself.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_said) {
            let next = if state.is_more_there { Phase::Head } else { Phase::Idle };
            state.enter(next);
        }
    }

    /// Resolves when the client has taken too long.
    pub(super) fn timed_out(&self) -> TimedOut {
        let limit = self.state().limit();
        TimedOut { watch: self.clone(), limit, sleep: Box::pin(sleep_until(limit)) }
    }

    /// Bytes of requests have come.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        match state.phase {
            // Old clients send a line end after a request, which belongs to nothing.
            Phase::Idle | Phase::Busy { has_body: false } if bytes.iter().all(|byte| b"\r\n".contains(byte)) => {}
            Phase::Idle => state.enter(Phase::Head),
            Phase::Busy { has_body: false } => state.is_more_there = true,
            Phase::Head | Phase::Busy { has_body: true } => {}
        }
        for byte in bytes.iter().skip(bytes.len().saturating_sub(state.last.len())) {
            let [_, second, third] = state.last;
            state.last = [second, third, *byte];
        }
    }

    /// The client was given something to take.
    pub(super) fn written<T>(&self, outcome: &Poll<io::Result<T>>) {
        let mut state = self.state();
        match outcome {
            Poll::Ready(_) => state.stalled = None,
            Poll::Pending if state.stalled.is_none() => state.stalled = Some(Instant::now()),
            Poll::Pending => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }

    fn has_end_of_head(&self) -> bool {
        self.last == *b"\n\r\n" || self.last.ends_with(b"\n\n")
    }

    /// When it has taken too long.
    fn limit(&self) -> Instant {
        let time = match self.phase {
            Phase::Idle => self.limits.idle_timeout,
            Phase::Head => self.limits.header_timeout,
            Phase::Busy { .. } => self.limits.response_timeout,
        };
        let stall = self.stalled.map(|since| since + self.limits.write_stall_timeout);
        stall.map_or(self.since + time, |stall| stall.min(self.since + time))
    }
}

/// Resolves when the client has taken too long. Whoever polls the connection polls this after it, so that it sees every change.
pub(super) struct TimedOut {
    watch: ConnectionTimeouts,
    /// What the alarm is set to. A limit that is later is looked at when it rings.
    limit: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Future for TimedOut {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let limit = self.watch.state().limit();
            if limit < self.limit {
                self.limit = limit;
                self.sleep.as_mut().reset(limit);
            }
            ready!(self.sleep.as_mut().poll(context));
            if limit <= Instant::now() {
                return Poll::Ready(());
            }
            self.limit = limit;
            self.sleep.as_mut().reset(limit);
        }
    }
}

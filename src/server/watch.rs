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

/// What is known of one connection. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limits: Limits,
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Since when the client has taken nothing, although there is something to take.
    stalled: Option<Instant>,
    /// Whether bytes have come that belong to a later request.
    is_more_there: bool,
    /// Whether the bytes that came last were the end of a head.
    ends_head: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Busy { has_body: bool },
}

impl Watch {
    /// A connection that has just been opened: its first head is awaited.
    pub(super) fn new(limits: Limits) -> Self {
        let state =
            State { limits, phase: Phase::Head, since: Instant::now(), stalled: None, is_more_there: false, ends_head: false };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A head is whole.
    pub(super) fn request_came(&self, has_body: bool) {
        let mut state = self.state();
        state.enter(Phase::Busy { has_body });
        // Clients may send a request before they have the response to the one before. Where this one has a body, what came
        // with its head cannot be told from it here, and is not taken for more.
        state.is_more_there = !has_body && !state.ends_head;
    }

    /// Nothing is left to be said to a request.
    pub(super) fn response_ended(&self) {
        let mut state = self.state();
        let next = if state.is_more_there { Phase::Head } else { Phase::Idle };
        state.enter(next);
    }

    /// Resolves when the client has taken too long.
    pub(super) fn too_long(&self) -> TooLong {
        let limit = self.state().limit();
        TooLong { watch: self.clone(), limit, sleep: Box::pin(sleep_until(limit)) }
    }

    /// Bytes of requests have come.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        match state.phase {
            Phase::Idle => state.enter(Phase::Head),
            Phase::Busy { has_body: false } => state.is_more_there = true,
            Phase::Head | Phase::Busy { has_body: true } => {}
        }
        state.ends_head = bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n");
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
pub(super) struct TooLong {
    watch: Watch,
    /// What the alarm is set to. A limit that is later is looked at when it rings.
    limit: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Future for TooLong {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// After how many whole seconds the client has taken too long.
    async fn seconds(watch: &Watch) -> u64 {
        let mut too_long = watch.too_long();
        let mut seconds = 0;
        while (&mut too_long).now_or_never().is_none() {
            advance(Duration::from_secs(1)).await;
            seconds += 1;
        }
        seconds
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_has_its_time_from_the_opening_on() {
        let watch = Watch::new(Limits::default());
        advance(Duration::from_secs(4)).await;
        watch.read(b"GET / HT");
        assert_eq!(seconds(&watch).await, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_more_time_than_for_a_later_head() {
        let watch = Watch::new(Limits::default());
        watch.read(HEAD);
        watch.request_came(false);
        watch.response_ended();
        let mut too_long = watch.too_long();
        advance(Duration::from_secs(70)).await;
        assert!((&mut too_long).now_or_never().is_none());
        watch.read(b"G");
        // An alarm that was set for later is set anew.
        assert!((&mut too_long).now_or_never().is_none());
        advance(Duration::from_secs(10)).await;
        assert!(too_long.now_or_never().is_some());
        watch.response_ended();
        assert_eq!(seconds(&watch).await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_began_early_is_not_taken_for_a_pause() {
        for early in [[HEAD, b"GET /sl"].concat(), HEAD.to_vec()] {
            let watch = Watch::new(Limits::default());
            watch.read(&early);
            watch.request_came(false);
            if early == HEAD {
                watch.read(b"GET /sl");
            }
            watch.response_ended();
            assert_eq!(seconds(&watch).await, 10);
        }
        let watch = Watch::new(Limits::default());
        watch.read(b"POST / HTTP/1.1\r\n\r\n{");
        watch.request_came(true);
        watch.read(b"}");
        watch.response_ended();
        assert_eq!(seconds(&watch).await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_not_taken_or_takes_for_ever_ends() {
        let watch = Watch::new(Limits::default());
        watch.read(HEAD);
        watch.request_came(false);
        watch.written::<usize>(&Poll::Pending);
        assert_eq!(seconds(&watch).await, 30);
        watch.written(&Poll::Ready(Ok(1)));
        assert_eq!(seconds(&watch).await, 330);
        // Also when everything was said and only the client's socket is full.
        watch.response_ended();
        watch.written::<usize>(&Poll::Pending);
        assert_eq!(seconds(&watch).await, 30);
    }
}

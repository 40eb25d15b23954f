//! What a call knows of the request it serves.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::now;

/// The deadline of a request and the record of the calls made for it. Cheap to clone; sub-calls share both.
#[derive(Debug, Clone)]
pub struct RequestContext {
    deadline: Instant,
    /// When a write must have been sent.
    send_by: Option<Instant>,
    is_fresh: bool,
    /// Told when whoever asked has left; `None` where that changes nothing any more.
    departure: Option<CancellationToken>,
    record: Arc<Record>,
}

/// The record, which is told when the request is over and the last call for it has ended, be it after the client left.
struct Record {
    calls: Mutex<CallLog>,
    /// By how much the order system's clock is ahead of ours.
    clock: Mutex<Option<SignedDuration>>,
    /// When a write was sent last.
    sent: Mutex<Option<Sent>>,
    tell: Option<Box<dyn FnOnce(CallLog) + Send + Sync>>,
}

/// When a write was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// For reckoning how long ago that is.
    pub at: Instant,
    /// What our clock said.
    pub on: Timestamp,
}

impl Sent {
    /// A write that is sent now.
    #[must_use]
    pub fn now() -> Self {
        Self { at: Instant::now(), on: now() }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let calls = *self.calls.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(tell) = self.tell.take() {
            tell(calls);
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calls.fmt(f)
    }
}

/// What the request log tells about the calls that were made for a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallLog {
    /// The first call made, by the name of its legacy method; `None` while there was none.
    pub call: Option<&'static str>,
    /// How that call ended: `success`, or the kind of the error.
    pub outcome: Option<&'static str>,
    /// How often a call was sent again.
    pub retries: u32,
}

impl RequestContext {
    /// A request that must have ended after `time`.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self::with_completion_hook(time, |_| {})
    }

    /// The same, and the record is told when the last clone is gone.
    #[must_use]
    pub fn with_completion_hook(time: Duration, tell: impl FnOnce(CallLog) + Send + Sync + 'static) -> Self {
        let tell = Some(Box::new(tell) as Box<_>);
        let record = Record { calls: Mutex::default(), clock: Mutex::default(), sent: Mutex::default(), tell };
        let deadline = Instant::now() + time;
        Self { deadline, send_by: None, is_fresh: false, departure: None, record: Arc::new(record) }
    }

    /// The same request with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same request, whose writes are worth sending until then.
    #[must_use]
    pub fn with_send_deadline(&self, latest: Instant) -> Self {
        Self { send_by: Some(latest), ..self.clone() }
    }

    /// Until when a write is worth sending.
    #[must_use]
    pub fn send_deadline(&self) -> Instant {
        self.send_by.unwrap_or(self.deadline)
    }

    /// The same request, for reads that must see what is there now: they do not share an answer with others.
    #[must_use]
    pub fn uncached(&self) -> Self {
        Self { is_fresh: true, ..self.clone() }
    }

    /// Whether reads must see what is there now.
    #[must_use]
    pub const fn is_uncached(&self) -> bool {
        self.is_fresh
    }

    /// The same request, which nobody waits for any more when `departure` is told.
    #[must_use]
    pub fn with_cancellation(&self, departure: CancellationToken) -> Self {
        Self { departure: Some(departure), ..self.clone() }
    }

    /// The same request after it was decided to finish it, whoever leaves.
    #[must_use]
    pub fn uncancellable(&self) -> Self {
        Self { departure: None, ..self.clone() }
    }

    /// Waits until whoever asked has left.
    pub async fn client_disconnected(&self) {
        match &self.departure {
            Some(departure) => departure.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether whoever asked has left.
    #[must_use]
    pub fn is_client_disconnected(&self) -> bool {
        self.departure.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// When the request must have ended.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Notes how a call ended. The first call stays the one that is told about; a later word on it replaces the first.
    pub(super) fn record_call(&self, call: &'static str, outcome: &'static str) {
        let mut record = self.record();
        if *record.call.get_or_insert(call) == call {
            record.outcome = Some(outcome);
        }
    }

    /// Notes calls that were made for others too.
    pub(super) fn merge_call_log(&self, calls: CallLog) {
        if let (Some(call), Some(outcome)) = (calls.call, calls.outcome) {
            self.record_call(call, outcome);
        }
        self.record().retries += calls.retries;
    }

    /// Notes that a call was sent again.
    pub(crate) fn record_retry(&self) {
        self.record().retries += 1;
    }

    /// Notes by how much the order system's clock is ahead of ours.
    pub(crate) fn note_clock(&self, ahead: SignedDuration) {
        *self.record.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }

    /// Notes that a write is sent now.
    pub(crate) fn note_sent(&self) {
        *self.record.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Sent::now());
    }

    /// When a write was sent last, if one was.
    #[must_use]
    pub fn sent(&self) -> Option<Sent> {
        *self.record.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By how much the order system's clock is ahead of ours, if an answer told.
    #[must_use]
    pub fn server_clock_skew(&self) -> Option<SignedDuration> {
        *self.record.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was noted so far.
    pub(super) fn call_log(&self) -> CallLog {
        *self.record()
    }

    fn record(&self) -> MutexGuard<'_, CallLog> {
        self.record.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

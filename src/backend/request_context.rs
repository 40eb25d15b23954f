//! The inputs that a call takes from the request it serves.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::idempotency::IdempotencyKey;

/// The deadline of a request, whether its client is still there, and how its reads are made. Cheap to clone.
///
/// Clones share two things that are written: the [`CallLog`], for the access log alone, and the address that the calls of one
/// write go to.
#[derive(Debug, Clone)]
pub struct RequestContext {
    deadline: Instant,
    send_deadline: Option<Instant>,
    is_uncached: bool,
    /// Cancelled when the client disconnects; `None` once the call runs to completion regardless.
    cancellation: Option<CancellationToken>,
    /// The address that the first call went to; `None` if each call may go to another.
    pin: Option<Arc<OnceLock<SocketAddr>>>,
    /// Whose share of the lists a list counts towards; `None` for none.
    client: Option<Arc<str>>,
    /// The key of the message that the request adds; `None` if the client has none of its own.
    message_key: Option<Arc<IdempotencyKey>>,
    call_log: Arc<SharedCallLog>,
}

/// What the access log reports about the calls that were made for a request.
#[derive(Debug, Clone, Default)]
pub struct CallLog {
    /// The first call, by the name of its legacy method; `None` if there was none.
    pub call: Option<&'static str>,
    /// How that call ended: `success`, or the kind of the error.
    pub outcome: Option<&'static str>,
    /// How often calls were sent again.
    pub retries: u32,
    /// The name of the system that the calls went to, where a request may go to one of several.
    pub system: Option<Arc<str>>,
}

/// What is notified when a request and all of its calls have ended.
pub trait CompletionHook: Send + Sync {
    /// The last clone of the [`RequestContext`] was dropped.
    fn completed(&self, calls: CallLog);
}

struct SharedCallLog {
    log: Mutex<CallLog>,
    hook: Option<Arc<dyn CompletionHook>>,
}

/// The last clone is dropped when the response is over and the last call has ended, which may be long after the client left.
impl Drop for SharedCallLog {
    fn drop(&mut self) {
        if let Some(hook) = &self.hook {
            hook.completed(std::mem::take(self.log.get_mut()));
        }
    }
}

impl fmt::Debug for SharedCallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.log.fmt(f)
    }
}

impl RequestContext {
    /// A request that must have ended after `time`.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self::new(time, None)
    }

    /// The same; the hook gets the call log when the last clone is dropped.
    #[must_use]
    pub fn with_completion_hook(time: Duration, hook: Arc<dyn CompletionHook>) -> Self {
        Self::new(time, Some(hook))
    }

    fn new(time: Duration, hook: Option<Arc<dyn CompletionHook>>) -> Self {
        let call_log = Arc::new(SharedCallLog { log: Mutex::default(), hook });
        Self {
            deadline: Instant::now() + time,
            send_deadline: None,
            is_uncached: false,
            cancellation: None,
            pin: None,
            client: None,
            message_key: None,
            call_log,
        }
    }

    /// This context with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// This context with a time after which a write is no longer worth sending.
    #[must_use]
    pub fn with_send_deadline(&self, latest: Instant) -> Self {
        Self { send_deadline: Some(latest), ..self.clone() }
    }

    /// This context for reads that must see the present state: they join no other read in flight.
    #[must_use]
    pub fn uncached(&self) -> Self {
        Self { is_uncached: true, ..self.clone() }
    }

    /// This context for the calls of one write: all of them go to the address that the first of them goes to, because what
    /// another machine shows is no evidence about it. Behind a proxy, which chooses the address, this has no effect.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self { pin: Some(Arc::default()), ..self.clone() }
    }

    /// This context, cancelled with `token` when the client disconnects.
    #[must_use]
    pub fn with_cancellation(&self, token: CancellationToken) -> Self {
        Self { cancellation: Some(token), ..self.clone() }
    }

    /// This context without cancellation: the call runs to completion even if the client disconnects.
    #[must_use]
    pub fn uncancellable(&self) -> Self {
        Self { cancellation: None, ..self.clone() }
    }

    /// This context for lists of this client, which share a limit.
    #[must_use]
    pub fn with_client(&self, client: Arc<str>) -> Self {
        Self { client: Some(client), ..self.clone() }
    }

    /// Whose share of the lists a list counts towards.
    #[must_use]
    pub const fn client(&self) -> Option<&Arc<str>> {
        self.client.as_ref()
    }

    /// This context with the idempotency key of the message that the request adds, for systems that know such keys: the same for
    /// repetitions of the request, and for no other message.
    #[must_use]
    pub fn with_message_key(&self, key: IdempotencyKey) -> Self {
        Self { message_key: Some(Arc::new(key)), ..self.clone() }
    }

    /// The idempotency key of the message, if the request determines one.
    #[must_use]
    pub fn message_key(&self) -> Option<&IdempotencyKey> {
        self.message_key.as_deref()
    }

    /// When the request must have ended.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When a write must have been sent.
    #[must_use]
    pub fn send_deadline(&self) -> Instant {
        self.send_deadline.unwrap_or(self.deadline)
    }

    /// The address that calls must go to, once one has gone to it.
    pub(crate) fn pinned_address(&self) -> Option<SocketAddr> {
        self.pin.as_ref().and_then(|pin| pin.get()).copied()
    }

    /// Records the address that a call went to. Only the first counts.
    pub(crate) fn pin_to(&self, address: SocketAddr) {
        if let Some(pin) = &self.pin {
            let _ = pin.set(address);
        }
    }

    /// Whether reads must see the present state.
    #[must_use]
    pub const fn is_uncached(&self) -> bool {
        self.is_uncached
    }

    /// Waits until the client disconnects; indefinitely if the call is uncancellable.
    pub async fn client_disconnected(&self) {
        match &self.cancellation {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the client has disconnected from a call that can still be cancelled.
    #[must_use]
    pub fn is_client_disconnected(&self) -> bool {
        self.cancellation.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// Records how a call ended. Only the first call is logged; recording its outcome again overwrites it.
    pub(super) fn record_call(&self, call: &'static str, outcome: &'static str) {
        let mut log = self.call_log.log.lock();
        if *log.call.get_or_insert(call) == call {
            log.outcome = Some(outcome);
        }
    }

    /// Records calls that other requests share.
    pub(super) fn merge_call_log(&self, calls: &CallLog) {
        if let (Some(call), Some(outcome)) = (calls.call, calls.outcome) {
            self.record_call(call, outcome);
        }
        self.call_log.log.lock().retries += calls.retries;
    }

    /// Records the system that the request goes to. A later record replaces it.
    pub(crate) fn record_system(&self, name: &Arc<str>) {
        self.call_log.log.lock().system = Some(Arc::clone(name));
    }

    /// Records that a call was sent again.
    pub(crate) fn record_retry(&self) {
        self.call_log.log.lock().retries += 1;
    }

    /// What was recorded so far.
    pub(super) fn call_log(&self) -> CallLog {
        self.call_log.log.lock().clone()
    }
}

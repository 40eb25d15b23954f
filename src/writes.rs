//! The outcome of writes, in front of a system that can neither make a write conditional nor recognise a repetition.
//!
//! A write is sent **once**, and again only when it provably never left. When its response does not prove the outcome, the
//! order is read back: what it shows is evidence, and without evidence the outcome is [`Error::OutcomeUnknown`], never a guess.
//!
//! ```text
//!                  ┌─ precondition fails, key found, client left ──► not sent
//! preflight read ──┤
//! (If-Match, key)  └──► admission ──► sent once ──┬─ confirmed ─► applied ─► with If-Match: read-back ─► contested or not
//!                            ▲                    ├─ rejected ──► read-back ─┬─ marker ────────────────► applied
//!                            └── never left, ≤ 2 ─┤                          ├─ perhaps its effect ────► unknown
//!                                                 │                          └─ no effect, unreadable ─► not applied
//!                                                 └─ anything else ─► in doubt ─► read-back ─┬─ evidence ─► applied, conflict
//!                                                                        ▲                   └─ none ─────► unknown
//!                                                                        └── at fixed delays, while time is left
//! ```
//!
//! Success and failure are claimed by opposite standards ([`evidence`]): *applied* only if nothing else can explain what the order
//! shows, *not applied* only if the order does not even look like it ([`refusal_check`]).
//!
//! Two guarantees can be asked for. A message with an *idempotency key* is searched for in the order's log before it is sent
//! ([`add_message`], [`crate::idempotency`]). A status change with a *precondition* is sent only if the order meets it
//! ([`change_status`]). A write whose outcome stays unknown may still take effect: it is *in doubt* until `settle_time` is
//! over, and until then a repetition only reads ([`in_doubt`], [`in_doubt_status`]). A keyed message that was confirmed must be in
//! the log at the next read, or its marker is useless ([`confirmed_messages`]). What none of this can promise, because
//! others write to the legacy system too, is documented in `openapi/README.md`.
//!
//! A queued write whose client disconnects is dropped. Once sent it runs to completion, in a task that a shutdown waits for.

mod add_message;
mod change_status;
mod confirmed_messages;
mod evidence;
mod in_doubt;
mod in_doubt_status;
mod refusal_check;
mod verified_backend;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use add_message::MessageReceipt;
pub(crate) use add_message::VERIFY_DELAYS as MESSAGE_VERIFY_DELAYS;
pub(crate) use change_status::VERIFY_DELAYS as STATUS_VERIFY_DELAYS;
pub use change_status::{Precondition, StatusReceipt};
use confirmed_messages::ConfirmedMessages;
pub(crate) use evidence::proof_of_message;
use in_doubt::InDoubtWrites;
use in_doubt_status::InDoubtStatusChanges;
pub use verified_backend::VerifiedBackend;

use crate::audit::WriteAudit;
use crate::backend::{Backend, Error, RequestContext, Sent, WriteError, WriteResult};
use crate::idempotency::{IdempotencyKey, IdempotencyMarker, KeyScope, MarkerSigner};
use crate::metrics::{Metrics, UpstreamMetrics};
use crate::model::{NewMessage, Order, OrderId, OrderStatus, now};
use crate::resilience::{KeyedRwLock, Reserved, RetryBudget, backoff};

/// Writes to one upstream. Cheap to clone.
#[derive(Clone)]
pub struct WriteCoordinator(Arc<Inner>);

/// What writes need.
pub struct Settings {
    /// The upstream.
    pub backend: Arc<dyn Backend>,
    /// Makes and finds idempotency markers.
    pub markers: MarkerSigner,
    /// Pays for writes that are sent again.
    pub budget: Arc<RetryBudget>,
    /// Limit of a connection attempt.
    pub connect_timeout: Duration,
    /// Limit of a response.
    pub timeout: Duration,
    /// How long a write that was sent may still be applied.
    pub settle_time: Duration,
    /// Whether the message of a refusal may not name the customer.
    pub redacts_refusals: bool,
    /// Metrics of the gateway.
    pub metrics: Metrics,
    /// Metrics of the upstream.
    pub upstream: UpstreamMetrics,
    /// Counts, as schema drift, a message that the upstream confirmed and whose marker is not in the log.
    pub count_lost_marker: Box<dyn Fn() + Send + Sync>,
    /// The tasks that a shutdown waits for.
    pub tasks: TaskTracker,
}

struct Inner {
    settings: Settings,
    /// Conditional changes of an order exclude each other and all unconditional ones.
    order_locks: KeyedRwLock<OrderId>,
    /// One message per idempotency key at a time.
    key_locks: KeyedRwLock<KeyScope>,
    status_changes: InDoubtStatusChanges,
    messages: InDoubtWrites<KeyScope, IdempotencyMarker>,
    confirmed_messages: ConfirmedMessages,
}

/// When a read-back was made, and by what clock.
#[derive(Debug, Clone, Copy)]
struct ReadBack {
    /// The order that it returned is not older.
    began: Instant,
    /// What our wall clock showed when it had ended.
    ended: Timestamp,
    /// How far the upstream's clock is ahead of ours, if an answer said.
    clock_skew: Option<SignedDuration>,
}

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WriteFailure {
    /// The call failed; some errors leave open whether it was applied ([`Error::leaves_doubt`]).
    #[error(transparent)]
    Failed(#[from] Error),
    /// The order does not meet the precondition; this is the order. Nothing was sent.
    #[error("the order does not meet the precondition")]
    PreconditionFailed(Reserved<Order>),
    /// It was sent, and then the order had a status that is neither the one before nor the one wanted.
    #[error("another writer changed the status")]
    Conflict(Box<Order>),
    /// The key was used for another message. Nothing was sent.
    #[error("the idempotency key was used for another message")]
    KeyReused,
    /// A request with this key is in progress. Nothing was sent.
    #[error("the idempotency key is in use")]
    KeyInUse,
    /// An earlier write is in doubt. Nothing was sent.
    #[error("an earlier write is in doubt")]
    InDoubt {
        /// How long the earlier write may still be applied.
        time_left: Duration,
        /// Whether the earlier write would have the same effect.
        is_same: bool,
    },
    /// The gateway panicked. The write may have been sent.
    #[error("the gateway panicked")]
    Panicked,
}

impl WriteFailure {
    /// Whether the write may have been applied, or may still be.
    const fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed(error) if error.leaves_doubt())
    }
}

impl From<WriteError> for WriteFailure {
    fn from(error: WriteError) -> Self {
        Self::Failed(error.source)
    }
}

/// How often a write that never left is sent again.
const MAX_RETRIES: u32 = 2;
/// What must be left of a request besides the time for a response when a write is sent, so that it can be verified.
pub const VERIFY_MARGIN: Duration = Duration::from_secs(1);

impl WriteCoordinator {
    /// Writes with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            order_locks: KeyedRwLock::default(),
            key_locks: KeyedRwLock::default(),
            status_changes: InDoubtStatusChanges::default(),
            messages: InDoubtWrites::default(),
            confirmed_messages: ConfirmedMessages::default(),
        }))
    }

    /// How long a write that was sent may still be applied, in seconds, rounded up.
    #[must_use]
    pub fn settle_time_seconds(&self) -> u64 {
        let time = self.0.settings.settle_time;
        time.as_secs() + u64::from(time.subsec_nanos() > 0)
    }

    /// Notices messages that the upstream confirmed and does not show, by an order from a read that began at `began`.
    pub fn compare(&self, order: &Order, began: Instant) {
        self.0.compare_confirmed(order, began);
    }

    /// Sets the status of an order; with a precondition, only of an order that meets it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn set_status(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
        precondition: Option<Precondition>,
        audit: impl Into<Option<WriteAudit>>,
    ) -> Result<StatusReceipt, WriteFailure> {
        let audit = audit.into();
        let write = |inner: Arc<Inner>, context| async move {
            let done = match precondition {
                None => catch_panic(inner.change_status(&context, id, status)).await.map(|()| StatusReceipt::default()),
                Some(precondition) => catch_panic(inner.change_status_if(&context, id, status, &*precondition)).await,
            };
            inner.record_outcome("set_status", done.as_ref().map(|_| "applied"), audit);
            done
        };
        self.run_to_completion(context, write).await
    }

    /// Appends a message to an order's log; with a key, one that is in the log already is not added again. Each client has a
    /// key space of its own.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn add_message(
        &self,
        context: &RequestContext,
        client: &str,
        id: OrderId,
        message: NewMessage,
        key: Option<IdempotencyKey>,
        audit: impl Into<Option<WriteAudit>>,
    ) -> Result<MessageReceipt, WriteFailure> {
        let audit = audit.into();
        let upstream = self.0.settings.upstream.name().to_owned();
        let scope = key.map(|key| KeyScope { client: client.to_owned(), upstream, order: id, key });
        let write = |inner: Arc<Inner>, context| async move {
            let done = match scope {
                None => catch_panic(inner.add_once(&context, id, message)).await,
                Some(scope) => catch_panic(inner.add_with_key(&context, scope, message)).await,
            };
            let outcome = done.as_ref().map(|receipt| if receipt.is_replayed { "replayed" } else { "applied" });
            inner.record_outcome("add_message", outcome, audit);
            done
        };
        self.run_to_completion(context, write).await
    }

    /// Runs a write in a task of its own: a client that disconnects drops this future, and a write that is cut off midway
    /// would leave its outcome unknown.
    async fn run_to_completion<T, F>(
        &self,
        context: &RequestContext,
        write: impl FnOnce(Arc<Inner>, RequestContext) -> F,
    ) -> Result<T, WriteFailure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, WriteFailure>> + Send + 'static,
    {
        let disconnect = CancellationToken::new();
        let write = write(Arc::clone(&self.0), context.with_cancellation(disconnect.clone()).pinned());
        // Dropped together with this future when the client disconnects, which cancels a write that is still queued.
        let _cancel_on_disconnect = disconnect.drop_guard();
        match self.0.settings.tasks.spawn(write).await {
            Ok(done) => done,
            // Only a runtime that is shutting down cancels tasks, and this future with them.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Inner {
    fn backend(&self) -> &dyn Backend {
        &*self.settings.backend
    }

    /// Repeats a write as long as it never left, at most [`MAX_RETRIES`] times.
    async fn retry_unsent<F>(&self, context: &RequestContext, call: &'static str, write: impl Fn() -> F) -> WriteResult
    where
        F: Future<Output = WriteResult>,
    {
        let mut retry = 0;
        loop {
            match write().await {
                Err(error) if self.wait_for_retry(context, call, &error.source, retry).await => retry += 1,
                done => return done,
            }
        }
    }

    /// Pays for a retry of a write that never left, and waits before it. `false` if it is not to be sent again.
    async fn wait_for_retry(&self, context: &RequestContext, call: &'static str, error: &Error, retry: u32) -> bool {
        let delay = backoff::jittered(retry);
        let is_worth_it = *error == Error::Unreachable && retry < MAX_RETRIES && Instant::now() + delay < context.deadline();
        if !is_worth_it || !self.settings.budget.withdraw() {
            return false;
        }
        self.settings.upstream.retry(call);
        context.record_retry();
        tokio::select! {
            () = sleep(delay) => true,
            () = context.client_disconnected() => false,
        }
    }

    /// The present state of the order, for a decision about a write that was not sent yet.
    async fn preflight_read(&self, context: &RequestContext, id: OrderId) -> Result<Reserved<Order>, WriteFailure> {
        let began = Instant::now();
        let order = self.backend().order_info(&context.uncached(), id).await;
        let order = order.map_err(|error| match error {
            Error::NotFound | Error::NotSent { .. } | Error::Overloaded | Error::ClientDisconnected => error,
            // The write is known not to have been applied, whatever the read ended in.
            cause => Error::NotSent { cause: Box::new(cause) },
        })?;
        self.compare_confirmed(&order.value, began);
        if context.is_client_disconnected() { Err(Error::ClientDisconnected.into()) } else { Ok(order.value) }
    }

    /// Reads an order back once, whether or not the client is still there: the audit log and the metrics need the outcome.
    async fn read_back(&self, context: &RequestContext, id: OrderId) -> Result<(Reserved<Order>, ReadBack), Error> {
        let began = Instant::now();
        let order = self.backend().order_info(&context.uncancellable().uncached(), id).await?;
        self.compare_confirmed(&order.value, began);
        Ok((order.value, ReadBack { began, ended: now(), clock_skew: order.clock_skew }))
    }

    /// Reads an order back, after these delays from now on, until it shows evidence of what happened to a write.
    async fn verify_by_read_back<T>(
        &self,
        context: &RequestContext,
        id: OrderId,
        delays: &[Duration],
        mut evidence: impl FnMut(&Reserved<Order>, ReadBack) -> Option<T>,
    ) -> Option<T> {
        let start = Instant::now();
        let mut clock_skew = None;
        for delay in delays {
            if start + *delay >= context.deadline() {
                return None;
            }
            sleep_until(start + *delay).await;
            // A failed read-back is no evidence; the next one may succeed.
            let Ok((order, read_back)) = self.read_back(context, id).await else { continue };
            // An answer without a date, such as one from a cache, does not make an earlier one wrong.
            clock_skew = read_back.clock_skew.or(clock_skew);
            if let Some(found) = evidence(&order, ReadBack { clock_skew, ..read_back }) {
                return Some(found);
            }
        }
        None
    }

    /// Warns about confirmed messages that an order does not show.
    fn compare_confirmed(&self, order: &Order, began: Instant) {
        for _ in 0..self.confirmed_messages.compare(order, began) {
            (self.settings.count_lost_marker)();
            tracing::warn!(
                upstream = self.settings.upstream.name(),
                order = order.id.get(),
                "the upstream confirmed a message with an idempotency key, and the order's log does not show its marker: \
                 a repetition may add it again"
            );
        }
    }

    /// Until when a write can be sent that must be verified within the request. `None` if the request is too short for that.
    fn send_deadline(&self, context: &RequestContext) -> Option<Instant> {
        let latest = context.deadline().checked_sub(self.settings.timeout + VERIFY_MARGIN)?;
        (latest > Instant::now()).then_some(latest)
    }

    /// Until when a write with an unknown outcome may still be applied. It left when the connection was made, which is at
    /// most `connect_timeout` after it was sent.
    fn in_doubt_until(&self, sent: Option<Sent>) -> Instant {
        let sent = sent.unwrap_or_else(Sent::now).at + self.settings.connect_timeout;
        sent.min(Instant::now()) + self.settings.settle_time
    }

    /// Waits for a lock, until `deadline`, the end of the request, or the disconnect of its client.
    async fn wait<T>(
        &self,
        context: &RequestContext,
        deadline: Instant,
        lock: impl Future<Output = T>,
    ) -> Result<Option<T>, WriteFailure> {
        tokio::select! {
            () = context.client_disconnected() => Err(Error::ClientDisconnected.into()),
            guard = timeout_at(deadline.min(context.deadline()), lock) => Ok(guard.ok()),
        }
    }

    /// Counts the outcome of a write, and writes it to the audit log, unless the front end does that itself.
    fn record_outcome(&self, call: &str, done: Result<&'static str, &WriteFailure>, audit: Option<WriteAudit>) {
        let outcome = done.unwrap_or_else(|failure| match failure {
            failure if failure.is_unknown() => "unknown",
            WriteFailure::InDoubt { is_same: true, .. } | WriteFailure::Panicked => "unknown",
            WriteFailure::Failed(_) | WriteFailure::KeyInUse | WriteFailure::InDoubt { .. } => "not_applied",
            WriteFailure::PreconditionFailed(_) => "precondition_failed",
            WriteFailure::Conflict(_) => "conflict",
            WriteFailure::KeyReused => "key_reused",
        });
        self.settings.metrics.write(call, outcome);
        if let Some(audit) = audit {
            audit.ended(outcome);
        }
    }
}

/// Turns a panic into a failure. The panic hook of the process has logged its location.
async fn catch_panic<T>(write: impl Future<Output = Result<T, WriteFailure>>) -> Result<T, WriteFailure> {
    // All state that the write shares is behind locks that survive a panic.
    AssertUnwindSafe(write).catch_unwind().await.unwrap_or(Err(WriteFailure::Panicked))
}

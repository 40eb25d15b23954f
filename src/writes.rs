//! What becomes of a write, in front of a system that has no way to make one conditional or to recognise a repetition.
//!
//! A write is sent **once**; it is sent again only when it provably never left. When its answer tells nothing, the order is
//! read back: what stands there is evidence, and without evidence the outcome is [`Error::OutcomeUnknown`], never a guess.
//! Two guarantees can be asked for. A message with an *idempotency key* is looked for in the order's log before it is sent
//! ([`message`], [`markers`]). A change of status with an *expectation* is sent only if the order is as expected ([`status`]).
//! A write whose outcome stays unknown may land later. While it may, a repetition of it only looks ([`unsettled`], [`changes`]).
//! What none of this can promise, because others write to the order system too, stands in `openapi/README.md`.
//!
//! A write whose client leaves while it still waits is not sent; once sent it is finished, and a stop waits for it.

mod add_message;
mod change_status;
mod in_doubt;
mod in_doubt_status;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use add_message::MessageReceipt;
pub use change_status::Precondition;
use in_doubt::InDoubtWrites;
use in_doubt_status::InDoubtStatusChanges;

use crate::audit::WriteAudit;
use crate::backend::{self, Backend, Error, RequestContext, Sent};
use crate::idempotency::{IdempotencyKey, IdempotencyMarker, KeyScope, MarkerSigner};
use crate::metrics::{Metrics, UpstreamMetrics};
use crate::model::{NewMessage, Order, OrderId, OrderStatus};
use crate::resilience::{KeyedRwLock, RetryBudget, backoff};

/// Writes to one order system. Cheap to clone.
#[derive(Clone)]
pub struct WriteCoordinator(Arc<Inner>);

/// What writes need.
pub struct Settings {
    /// The order system.
    pub backend: Arc<dyn Backend>,
    /// What its marks are made with.
    pub markers: MarkerSigner,
    /// What pays for writes that are sent again.
    pub budget: Arc<RetryBudget>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a write may be under way after it was sent.
    pub settle_time: Duration,
    /// Where writes are counted.
    pub metrics: Metrics,
    /// Where calls are counted that are sent again.
    pub upstream: UpstreamMetrics,
    /// The tasks that a stop waits for.
    pub tasks: TaskTracker,
}

struct Inner {
    settings: Settings,
    /// One guarded change of an order's status at a time, and none of the others meanwhile.
    orders: KeyedRwLock<OrderId>,
    /// One message with a key at a time.
    keys: KeyedRwLock<KeyScope>,
    /// Changes that may still be under way.
    changes: InDoubtStatusChanges,
    /// Messages with a key that may still be under way.
    messages: InDoubtWrites<KeyScope, IdempotencyMarker>,
}

/// One look at an order.
struct ReadBack {
    context: RequestContext,
    /// What it shows is not older.
    began: Instant,
}

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteFailure {
    /// The call failed; [`Error::OutcomeUnknown`] leaves open whether it happened.
    Failed(Error),
    /// The order is not as expected, but like this. Nothing was sent.
    PreconditionFailed(Box<Order>),
    /// It was sent, and then the order had a status that is neither the one before nor the one wanted.
    Conflict(Box<Order>),
    /// The key was used for another message. Nothing was sent.
    KeyReused,
    /// The key is being used. Nothing was sent.
    KeyInUse,
    /// One that was sent earlier may still happen. Nothing was sent.
    InDoubt {
        /// For so long.
        time_left: Duration,
        /// Whether it would do the same.
        is_the_same: bool,
    },
    /// The gateway broke down in the middle. It may have been sent.
    Panicked,
}

impl WriteFailure {
    /// Whether what was sent may have happened, or may still happen.
    const fn is_open(&self) -> bool {
        matches!(self, Self::Failed(Error::OutcomeUnknown { .. }))
    }
}

impl From<Error> for WriteFailure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// How often a write is sent again that never left.
const MAX_RETRIES: u32 = 2;
/// What must be left besides the time for an answer when a write is sent, so that the order can be looked at afterwards.
pub const VERIFY_MARGIN: Duration = Duration::from_secs(1);

impl WriteCoordinator {
    /// Writes with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            orders: KeyedRwLock::default(),
            keys: KeyedRwLock::default(),
            changes: InDoubtStatusChanges::default(),
            messages: InDoubtWrites::default(),
        }))
    }

    /// Gives an order a status; with an expectation, only an order that meets it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn set_status(
        &self,
        context: &RequestContext,
        id: OrderId,
        status: OrderStatus,
        expected: Option<Precondition>,
        audit: WriteAudit,
    ) -> Result<(), WriteFailure> {
        let write = |inner: Arc<Inner>, context| async move {
            let done = match expected {
                None => catch_panic(inner.change_status(&context, id, status)).await,
                Some(expected) => catch_panic(inner.change_status_if(&context, id, status, &*expected)).await,
            };
            inner.record_outcome("set_status", done.as_ref().map(|()| "applied"), audit);
            done
        };
        self.finish(context, write).await
    }

    /// Adds a message to an order's log; with a key, one that is there already is not added again. Clients have keys of their
    /// own.
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
        audit: WriteAudit,
    ) -> Result<MessageReceipt, WriteFailure> {
        let upstream = self.0.settings.upstream.name().to_owned();
        let owner = key.map(|key| KeyScope { client: client.to_owned(), upstream, order: id, key });
        let write = |inner: Arc<Inner>, context| async move {
            let done = match owner {
                None => catch_panic(inner.add_once(&context, id, message)).await,
                Some(owner) => catch_panic(inner.add_with_key(&context, owner, message)).await,
            };
            inner.record_outcome(
                "add_message",
                done.as_ref().map(|added| if added.is_replayed { "replayed" } else { "applied" }),
                audit,
            );
            done
        };
        self.finish(context, write).await
    }

    /// Runs a write as a task of its own: a write that is cut off in the middle leaves nobody who knows what became of it.
    async fn finish<T, F>(
        &self,
        context: &RequestContext,
        write: impl FnOnce(Arc<Inner>, RequestContext) -> F,
    ) -> Result<T, WriteFailure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, WriteFailure>> + Send + 'static,
    {
        let departure = CancellationToken::new();
        let write = write(Arc::clone(&self.0), context.with_cancellation(departure.clone()));
        // Whoever waits here and leaves says so by it.
        let _present = departure.drop_guard();
        match self.0.settings.tasks.spawn(write).await {
            Ok(done) => done,
            // Only a runtime that is going down cancels tasks, and this one with them.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Inner {
    fn backend(&self) -> &dyn Backend {
        &*self.settings.backend
    }

    /// The order as it is now, for a decision about a write that was not sent yet.
    async fn preflight_read(&self, context: &RequestContext, id: OrderId) -> Result<Order, WriteFailure> {
        let order = self.backend().order_info(&context.uncached(), id).await;
        let order = order.map_err(|error| match error {
            // Known not to have happened, whatever the read ended in.
            Error::NotFound | Error::NotSent { .. } | Error::Overloaded | Error::ClientDisconnected => error,
            cause => Error::NotSent { cause: Box::new(cause) },
        })?;
        if context.is_client_disconnected() { Err(Error::ClientDisconnected.into()) } else { Ok(order) }
    }

    /// Looks at an order until it shows what became of a write, at these times from now on.
    async fn verify_by_read_back<T>(
        &self,
        context: &RequestContext,
        id: OrderId,
        times: &[Duration],
        mut evidence: impl FnMut(&Order, &ReadBack) -> Option<T>,
    ) -> Option<T> {
        let (start, mut look) =
            (Instant::now(), ReadBack { context: context.uncancellable().uncached(), began: Instant::now() });
        for time in times {
            if start + *time >= context.deadline() {
                return None;
            }
            sleep_until(start + *time).await;
            look.began = Instant::now();
            let order = self.backend().order_info(&look.context, id).await;
            if let Some(found) = order.ok().and_then(|order| evidence(&order, &look)) {
                return Some(found);
            }
        }
        None
    }

    /// Sends a write; where it never left, again.
    async fn send<T, F>(&self, context: &RequestContext, call: &'static str, write: impl Fn() -> F) -> backend::Result<T>
    where
        F: Future<Output = backend::Result<T>>,
    {
        let mut retry = 0;
        loop {
            match write().await {
                Err(error) if self.should_retry(context, call, &error, retry).await => retry += 1,
                done => return done,
            }
        }
    }

    /// Waits before a write that never left is sent again. `false` when it is not.
    async fn should_retry(&self, context: &RequestContext, call: &'static str, error: &Error, retry: u32) -> bool {
        let pause = backoff::jittered(retry);
        let is_worth_it = *error == Error::Unreachable && retry < MAX_RETRIES && Instant::now() + pause < context.deadline();
        if !is_worth_it || !self.settings.budget.withdraw() {
            return false;
        }
        self.settings.upstream.retry(call);
        context.record_retry();
        tokio::select! {
            () = sleep(pause) => true,
            () = context.client_disconnected() => false,
        }
    }

    /// Until when a write is worth sending that must be settled within the request. `None` when the request is too short for
    /// that.
    fn send_deadline(&self, context: &RequestContext) -> Option<Instant> {
        let latest = context.deadline().checked_sub(self.settings.timeout + VERIFY_MARGIN)?;
        (latest > Instant::now()).then_some(latest)
    }

    /// Until when the write that was sent last may be under way, once its answer has told nothing. It left when there was a
    /// connection.
    fn in_doubt_until(&self, context: &RequestContext) -> Instant {
        let sent = context.sent().unwrap_or_else(Sent::now).at + self.settings.connect_timeout;
        sent.min(Instant::now()) + self.settings.settle_time
    }

    /// Waits for something at most until the request must have ended or its client left.
    async fn wait<T>(
        &self,
        context: &RequestContext,
        deadline: Instant,
        what: impl Future<Output = T>,
    ) -> Result<Option<T>, WriteFailure> {
        tokio::select! {
            () = context.client_disconnected() => Err(Error::ClientDisconnected.into()),
            got = timeout_at(deadline.min(context.deadline()), what) => Ok(got.ok()),
        }
    }

    /// Counts what became of a write, and tells it.
    fn record_outcome(&self, call: &str, done: Result<&'static str, &WriteFailure>, audit: WriteAudit) {
        let outcome = done.unwrap_or_else(|refusal| match refusal {
            WriteFailure::Failed(Error::OutcomeUnknown { .. })
            | WriteFailure::InDoubt { is_the_same: true, .. }
            | WriteFailure::Panicked => "unknown",
            WriteFailure::Failed(_) | WriteFailure::KeyInUse | WriteFailure::InDoubt { .. } => "not_applied",
            WriteFailure::PreconditionFailed(_) => "precondition_failed",
            WriteFailure::Conflict(_) => "conflict",
            WriteFailure::KeyReused => "key_reused",
        });
        self.settings.metrics.write(call, outcome);
        audit.ended(outcome);
    }
}

/// What becomes of a write if a panic ends it. Where that was, the hook of the process has written.
async fn catch_panic<T>(write: impl Future<Output = Result<T, WriteFailure>>) -> Result<T, WriteFailure> {
    // Nothing is shared with it but what locks protect, and those survive a panic.
    AssertUnwindSafe(write).catch_unwind().await.unwrap_or(Err(WriteFailure::Panicked))
}

//! What every client of an upstream does around its exchanges, whatever the protocol: admission by the concurrency limit and
//! the circuit breaker, and retries that the budget pays for.
//!
//! Only reads are repeated on the strength of this alone. What may follow a write depends on what it was for, so that is decided
//! where writes are settled.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Error, RequestContext, Result};
use crate::metrics::UpstreamMetrics;
use crate::resilience::{
    Admission, BreakerSettings, BreakerState, CircuitBreaker, ConcurrencyLimit, Outcome, Permit, Priority, Rejected,
    RetryBudget, backoff,
};

/// How often a call is sent again.
pub(crate) const MAX_RETRIES: u32 = 2;

/// Admits calls to one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamCalls {
    admission: Admission,
    budget: Arc<RetryBudget>,
    metrics: UpstreamMetrics,
}

/// What is called, by the name of its legacy method.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) kind: CallKind,
}

/// What a call does, which decides what it may use of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Read,
    List,
    Write,
}

/// A call in flight. It holds its permit until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightCall {
    permit: Permit,
    gauge: IntGauge,
}

/// A failure that may be over soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transient {
    /// When the upstream wants the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

impl UpstreamCalls {
    pub(crate) fn new(max_in_flight: usize, breaker: BreakerSettings, metrics: UpstreamMetrics) -> Self {
        let for_breaker = metrics.clone();
        let breaker = CircuitBreaker::new(breaker, move |state| log_breaker_state(&for_breaker, state));
        let admission = Admission::new(ConcurrencyLimit::new(max_in_flight), breaker);
        Self { admission, budget: Arc::default(), metrics }
    }

    pub(crate) const fn metrics(&self) -> &UpstreamMetrics {
        &self.metrics
    }

    /// Pays for calls that are sent again.
    pub(crate) const fn budget(&self) -> &Arc<RetryBudget> {
        &self.budget
    }

    /// Whether the breaker is half-open and waits for a read as its probe.
    pub(crate) fn awaits_probe(&self) -> bool {
        self.admission.awaits_probe()
    }

    /// Waits for a permit, until `deadline` or the disconnect of the client. `retries` is how often the call was sent before.
    pub(crate) async fn admit(
        &self,
        context: &RequestContext,
        call: Call,
        retries: u32,
        deadline: Instant,
    ) -> Result<InFlightCall> {
        let priority = match call.kind {
            CallKind::Write => Priority::Write,
            CallKind::List => Priority::List,
            // Preflight reads, read-backs and logins: a write waits for them.
            CallKind::Read if context.is_uncached() => Priority::WriteRelatedRead,
            CallKind::Read => Priority::Read,
        };
        let admitted = tokio::select! {
            // A permit that becomes free in the same moment must not go to a client that has left.
            biased;
            () = context.client_disconnected() => return Err(Error::ClientDisconnected),
            admitted = self.admission.admit(priority, context.client(), deadline) => admitted,
        };
        match admitted {
            Ok(permit) => {
                if retries == 0 {
                    self.budget.deposit();
                } else {
                    self.metrics.retry(call.name);
                    context.record_retry();
                }
                self.metrics.in_flight.inc();
                Ok(InFlightCall { permit, gauge: self.metrics.in_flight.clone() })
            }
            Err(Rejected::Overloaded) => Err(Error::Overloaded),
            Err(Rejected::CircuitOpen(time)) => {
                Err(Error::NotSent { cause: Box::new(Error::Unavailable { retry_after: Some(time) }) })
            }
        }
    }

    /// The same for a write, which must also be sent before the context's send deadline.
    pub(crate) async fn admit_write(
        &self,
        context: &RequestContext,
        call: Call,
        retries: u32,
        deadline: Instant,
    ) -> Result<InFlightCall> {
        let latest = context.send_deadline();
        let admitted = timeout_at(latest, self.admit(context, call, retries, deadline)).await;
        let admitted = admitted.unwrap_or(Err(Error::Overloaded))?;
        // A permit that is free at once is granted without a look at the clock.
        if Instant::now() >= latest { Err(Error::Overloaded) } else { Ok(admitted) }
    }

    /// Pays for a retry of a call that failed transiently, and waits before it. `false` if it is not to be sent again.
    pub(crate) async fn wait_for_retry(&self, failure: Option<Transient>, retries: &mut u32, deadline: Instant) -> bool {
        let Some(Transient { retry_after }) = failure else { return false };
        if *retries == MAX_RETRIES {
            return false;
        }
        let delay = retry_after.unwrap_or_else(|| backoff::jittered(*retries));
        if Instant::now() + delay >= deadline || !self.budget.withdraw() {
            return false;
        }
        *retries += 1;
        sleep(delay).await;
        true
    }
}

impl InFlightCall {
    /// Records how a call ended.
    pub(crate) fn record_completed(&mut self, outcome: Outcome) {
        self.permit.record_completed(outcome);
    }

    /// Records how a list began. Its duration depends on its reader and is not recorded.
    pub(crate) fn record_first_item<T>(&mut self, first: &Result<T>) {
        self.permit.record_outcome(match first {
            Err(Error::Timeout) => Outcome::TimedOut,
            Err(Error::InvalidResponse { .. }) => Outcome::Failure,
            Ok(_) | Err(_) => Outcome::Success,
        });
    }
}

impl Drop for InFlightCall {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

fn log_breaker_state(metrics: &UpstreamMetrics, state: BreakerState) {
    let upstream = metrics.name();
    match state {
        BreakerState::Closed => tracing::info!(upstream, "circuit breaker closed: the upstream responds again"),
        BreakerState::HalfOpen => tracing::debug!(upstream, "circuit breaker half-open: sending one read as a probe"),
        BreakerState::Open => tracing::warn!(upstream, "circuit breaker open: the upstream does not respond"),
    }
    metrics.breaker.set(match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    });
}

//! Admission (concurrency limit, circuit breaker) and retries for one upstream.
//!
//! Reads are retried at most twice, within the retry budget and the deadline. Writes are not retried here:
//! [`crate::writes`] decides that, because what may follow a write depends on what it was for.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::{Instant, sleep, timeout_at};

use super::attempt::{Attempt, Transient};
use super::decode_settings::DecodeSettings;
use super::methods::{Idempotency, Method, MethodSpec};
use super::transport::{Response, Transport};
use crate::backend::{Error, RequestContext, Result, Sent};
use crate::metrics::UpstreamMetrics;
use crate::resilience::{
    Admission, BreakerSettings, BreakerState, CircuitBreaker, ConcurrencyLimit, Outcome, Permit, Priority, Rejected,
    RetryBudget, Share, backoff,
};

/// How often a read is sent again.
const MAX_RETRIES: u32 = 2;

/// Makes calls.
#[derive(Debug)]
pub(crate) struct ResilientTransport {
    transport: Arc<Transport>,
    settings: Arc<DecodeSettings>,
    admission: Admission,
    budget: Arc<RetryBudget>,
    timeout: Duration,
    metrics: UpstreamMetrics,
}

/// A call in flight. It holds its permit until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightCall {
    permit: Permit,
    gauge: IntGauge,
}

impl ResilientTransport {
    pub(crate) fn new(
        transport: Arc<Transport>,
        settings: Arc<DecodeSettings>,
        max_in_flight: usize,
        breaker: BreakerSettings,
        timeout: Duration,
        metrics: UpstreamMetrics,
    ) -> Self {
        let for_breaker = metrics.clone();
        let breaker = CircuitBreaker::new(breaker, move |state| log_breaker_state(&for_breaker, state));
        let admission = Admission::new(ConcurrencyLimit::new(max_in_flight), breaker);
        Self { transport, settings, admission, budget: Arc::default(), timeout, metrics }
    }

    pub(crate) const fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    pub(crate) const fn decode_settings(&self) -> &Arc<DecodeSettings> {
        &self.settings
    }

    pub(crate) const fn metrics(&self) -> &UpstreamMetrics {
        &self.metrics
    }

    /// Limit of a response.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Pays for calls that are sent again.
    pub(crate) const fn budget(&self) -> &Arc<RetryBudget> {
        &self.budget
    }

    /// Whether the breaker is half-open and waits for a read as its probe.
    pub(crate) fn awaits_probe(&self) -> bool {
        self.admission.awaits_probe()
    }

    /// Makes a read and receives its whole response, all before `deadline`.
    ///
    /// # Errors
    /// If it was not sent at all.
    pub(crate) async fn read(
        &self,
        context: &RequestContext,
        method: &'static MethodSpec,
        query: &str,
        deadline: Instant,
    ) -> Result<Attempt> {
        // Writes depend on uncached reads and on logins.
        let share = if context.is_uncached() { Share::Writes } else { Share::Reads };
        let mut retries = 0;
        loop {
            let mut call = self.admit(context, method, retries, deadline).await?;
            let attempt = match timeout_at(deadline, self.transport.read(context, query)).await {
                Err(_) => Attempt::TimedOut,
                Ok(Err(error)) => Attempt::from(error),
                Ok(Ok(response)) => Attempt::receive(response, method, &self.settings, share, deadline).await,
            };
            call.record_completed(&attempt);
            drop(call);
            if !self.wait_for_retry(attempt.transient_failure(), &mut retries, deadline).await {
                return Ok(attempt);
            }
        }
    }

    /// Makes a write, once, and receives its whole response. It may be queued until `deadline`, and must be sent before the
    /// context's send deadline. Returns when it was sent.
    ///
    /// # Errors
    /// If it was not sent at all.
    pub(crate) async fn write(
        &self,
        context: &RequestContext,
        method: &'static MethodSpec,
        query: &str,
        deadline: Instant,
    ) -> Result<(Attempt, Sent)> {
        let latest = context.send_deadline();
        let admitted = timeout_at(latest, self.admit(context, method, 0, deadline)).await;
        let mut call = admitted.unwrap_or(Err(Error::Overloaded))?;
        // A permit that is free at once is granted without a look at the clock.
        if Instant::now() >= latest {
            return Err(Error::Overloaded);
        }
        // A write always gets its full response timeout, whatever it spent queueing: an early timeout would only turn a known
        // outcome into an unknown one.
        let deadline = context.deadline().min(Instant::now() + self.timeout);
        let connected = match timeout_at(deadline, self.transport.connect(context, query)).await {
            Ok(connected) => connected.map_err(Attempt::from),
            Err(_) => Err(Attempt::NotSent),
        };
        let sent = Sent::now();
        let attempt = match connected {
            Err(attempt) => attempt,
            Ok(write) => match timeout_at(deadline, write.send()).await {
                Err(_) => Attempt::TimedOut,
                Ok(Err(error)) => Attempt::from(error),
                Ok(Ok(response)) => Attempt::receive(response, method, &self.settings, Share::Writes, deadline).await,
            },
        };
        call.record_completed(&attempt);
        Ok((attempt, sent))
    }

    /// Makes a call for a list and returns the response once its status promises one. The list keeps the permit until it ends.
    ///
    /// # Errors
    /// Whatever else the call ended in.
    pub(crate) async fn open_list(
        &self,
        context: &RequestContext,
        method: &'static MethodSpec,
        query: &str,
        deadline: Instant,
    ) -> Result<(Response, InFlightCall)> {
        let mut retries = 0;
        loop {
            let mut call = self.admit(context, method, retries, deadline).await?;
            let attempt = match timeout_at(deadline, self.transport.read(context, query)).await {
                Ok(Ok(response)) if matches!(response.status, 200..=299) => return Ok((response, call)),
                Ok(Ok(response)) => Attempt::receive(response, method, &self.settings, Share::Reads, deadline).await,
                Ok(Err(error)) => Attempt::from(error),
                Err(_) => Attempt::TimedOut,
            };
            call.record_completed(&attempt);
            drop(call);
            if !self.wait_for_retry(attempt.transient_failure(), &mut retries, deadline).await {
                let reason = "its HTTP status is not a success";
                return Err(attempt.read_result().err().unwrap_or(Error::InvalidResponse { reason }));
            }
        }
    }

    /// Waits for a permit, until `deadline` or the disconnect of the client.
    async fn admit(
        &self,
        context: &RequestContext,
        method: &MethodSpec,
        retries: u32,
        deadline: Instant,
    ) -> Result<InFlightCall> {
        let priority = match (method.idempotency, method.method) {
            (Idempotency::Idempotent | Idempotency::NonIdempotent, _) => Priority::Write,
            (Idempotency::Safe, Method::Orders | Method::Customers) => Priority::List,
            // Preflight reads, read-backs and logins: a write waits for them.
            (Idempotency::Safe, _) if context.is_uncached() => Priority::WriteRelatedRead,
            (Idempotency::Safe, _) => Priority::Read,
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
                    self.metrics.retry(method.name);
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

    /// Pays for a retry of a read that failed transiently, and waits before it. `false` if it is not to be sent again.
    async fn wait_for_retry(&self, failure: Option<Transient>, retries: &mut u32, deadline: Instant) -> bool {
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
    /// Records how a call ended. What the gateway itself lacks says nothing about the upstream.
    fn record_completed(&mut self, attempt: &Attempt) {
        if !matches!(attempt, Attempt::NoResources) {
            self.permit.record_completed(outcome_of(attempt));
        }
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

fn outcome_of(attempt: &Attempt) -> Outcome {
    match attempt {
        Attempt::TimedOut => Outcome::TimedOut,
        attempt if attempt.is_healthy() => Outcome::Success,
        _ => Outcome::Failure,
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

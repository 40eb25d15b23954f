//! Calls of one order system: when they may be sent, and whether again.
//!
//! A call waits for its place and passes the breaker ([`Gate`]). A read that did not come through is sent again, at most
//! twice, as long as the budget pays and the time lasts; a write never is from here, because what may follow a write depends
//! on what it was for.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::{Instant, sleep, timeout_at};

use super::attempt::{Attempt, Transient};
use super::decode_settings::DecodeSettings;
use super::methods::{Idempotency, Method, MethodSpec};
use super::transport::{Response, Transport};
use crate::backend::{Error, RequestContext, Result};
use crate::metrics::UpstreamMetrics;
use crate::resilience::{
    Admission, BreakerSettings, BreakerState, CircuitBreaker, ConcurrencyLimit, Outcome, Permit, Priority, Rejected,
    RetryBudget, backoff,
};

/// How often a read is sent again.
const MAX_RETRIES: u32 = 2;

/// Makes calls.
#[derive(Debug)]
pub(crate) struct ResilientTransport {
    transport: Arc<Transport>,
    profile: Arc<DecodeSettings>,
    gate: Admission,
    budget: Arc<RetryBudget>,
    timeout: Duration,
    metrics: UpstreamMetrics,
}

/// A call that the order system is working at.
#[derive(Debug)]
pub(crate) struct InFlightCall {
    passage: Permit,
    gauge: IntGauge,
}

impl ResilientTransport {
    pub(crate) fn new(
        transport: Arc<Transport>,
        profile: Arc<DecodeSettings>,
        max_in_flight: usize,
        breaker: BreakerSettings,
        timeout: Duration,
        metrics: UpstreamMetrics,
    ) -> Self {
        let told = metrics.clone();
        let breaker = CircuitBreaker::new(breaker, move |state| log_breaker_state(&told, state));
        let gate = Admission::new(ConcurrencyLimit::new(max_in_flight), breaker);
        Self { transport, profile, gate, budget: Arc::default(), timeout, metrics }
    }

    pub(crate) const fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    pub(crate) const fn profile(&self) -> &Arc<DecodeSettings> {
        &self.profile
    }

    /// How long an answer may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What pays for calls that are sent again.
    pub(crate) const fn budget(&self) -> &Arc<RetryBudget> {
        &self.budget
    }

    /// Whether no write is sent before a read has shown that the order system answers again.
    pub(crate) fn awaits_probe(&self) -> bool {
        self.gate.awaits_probe()
    }

    /// Makes a call and takes in its whole answer. It may wait until `deadline`.
    ///
    /// # Errors
    /// When it was not sent at all.
    pub(crate) async fn call(
        &self,
        context: &RequestContext,
        call: &'static MethodSpec,
        query: &str,
        deadline: Instant,
    ) -> Result<Attempt> {
        let mut retries = 0;
        loop {
            let mut place = match call.idempotency {
                Idempotency::Safe => self.admit(context, call, retries, deadline).await?,
                Idempotency::Idempotent | Idempotency::NonIdempotent => self.admit_write(context, call, deadline).await?,
            };
            let exchange =
                Attempt::run(&self.transport, call, &self.profile, query, self.response_deadline(context, call, deadline))
                    .await;
            place.passage.record_completed(outcome_of(&exchange));
            drop(place);
            // Of interest only to those who look for a row that has just been stamped.
            if let Some(ahead) = Some(&exchange).filter(|_| context.is_uncached()).and_then(Attempt::server_clock_skew) {
                context.note_clock(ahead);
            }
            if !self.should_retry(call, exchange.transient_failure(), &mut retries, deadline).await {
                return Ok(exchange);
            }
        }
    }

    /// The response of a list, when its head promises one. The list keeps its place until it goes.
    ///
    /// # Errors
    /// Whatever else came of the call.
    pub(crate) async fn open_list(
        &self,
        context: &RequestContext,
        call: &'static MethodSpec,
        query: &str,
        deadline: Instant,
    ) -> Result<(Response, InFlightCall)> {
        let mut retries = 0;
        loop {
            let mut place = self.admit(context, call, retries, deadline).await?;
            let exchange = match timeout_at(deadline, self.transport.send(call, query)).await {
                Ok(Ok(response)) if matches!(response.status, 200..=299) => return Ok((response, place)),
                Ok(Ok(response)) => Attempt::receive(response, call, &self.profile, deadline).await,
                Ok(Err(error)) => Attempt::from(error),
                Err(_) => Attempt::TimedOut,
            };
            place.passage.record_completed(outcome_of(&exchange));
            drop(place);
            if !self.should_retry(call, exchange.transient_failure(), &mut retries, deadline).await {
                let reason = "its HTTP status is no success";
                return Err(exchange.read_result().err().unwrap_or(Error::InvalidResponse { reason }));
            }
        }
    }

    /// Waits until the call may be sent, be it for another time, and whoever asked is still there.
    async fn admit(
        &self,
        context: &RequestContext,
        call: &MethodSpec,
        retries: u32,
        deadline: Instant,
    ) -> Result<InFlightCall> {
        let what = match (call.idempotency, call.method) {
            (Idempotency::Idempotent | Idempotency::NonIdempotent, _) => Priority::Write,
            (Idempotency::Safe, Method::Orders | Method::Customers) => Priority::List,
            // What must see how things are now is asked for the sake of a write.
            (Idempotency::Safe, _) if context.is_uncached() => Priority::WriteRelatedRead,
            (Idempotency::Safe, _) => Priority::Read,
        };
        let passed = tokio::select! {
            biased;
            () = context.client_disconnected() => return Err(Error::ClientDisconnected),
            passed = self.gate.admit(what, deadline) => passed,
        };
        match passed {
            Ok(passage) => {
                if retries == 0 {
                    self.budget.deposit();
                } else {
                    self.metrics.retry(call.name);
                    context.record_retry();
                }
                self.metrics.in_flight.inc();
                Ok(InFlightCall { passage, gauge: self.metrics.in_flight.clone() })
            }
            Err(Rejected::Overloaded) => Err(Error::Overloaded),
            Err(Rejected::CircuitOpen(time)) => {
                Err(Error::NotSent { cause: Box::new(Error::Unavailable { retry_after: Some(time) }) })
            }
        }
    }

    /// The same for a write, which is not sent any more when it is too late for that.
    async fn admit_write(&self, context: &RequestContext, call: &MethodSpec, deadline: Instant) -> Result<InFlightCall> {
        let latest = context.send_deadline();
        let place = timeout_at(latest, self.admit(context, call, 0, deadline)).await.unwrap_or(Err(Error::Overloaded))?;
        // A free place is had without a look at the clock.
        if Instant::now() >= latest {
            return Err(Error::Overloaded);
        }
        context.note_sent();
        Ok(place)
    }

    /// When the answer must be there. A write gets its full time however long it waited: one that is given up early leaves
    /// nobody the wiser.
    fn response_deadline(&self, context: &RequestContext, call: &MethodSpec, deadline: Instant) -> Instant {
        match call.idempotency {
            Idempotency::Safe => deadline,
            Idempotency::Idempotent | Idempotency::NonIdempotent => context.deadline().min(Instant::now() + self.timeout),
        }
    }

    /// Waits before a call that did not come through is sent again. `false` when it is not.
    async fn should_retry(&self, call: &MethodSpec, trouble: Option<Transient>, retries: &mut u32, deadline: Instant) -> bool {
        let Some(Transient { retry_after }) = trouble else { return false };
        if call.idempotency != Idempotency::Safe || *retries == MAX_RETRIES {
            return false;
        }
        let pause = retry_after.unwrap_or_else(|| backoff::jittered(*retries));
        if Instant::now() + pause >= deadline || !self.budget.withdraw() {
            return false;
        }
        *retries += 1;
        sleep(pause).await;
        true
    }
}

impl InFlightCall {
    /// Tells how a list began; how long it takes says nothing about others.
    pub(crate) fn record_first_item<T>(&mut self, first: &Result<T>) {
        self.passage.record_outcome(match first {
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

fn outcome_of(exchange: &Attempt) -> Outcome {
    match exchange {
        Attempt::TimedOut => Outcome::TimedOut,
        ended if ended.is_healthy() => Outcome::Success,
        _ => Outcome::Failure,
    }
}

fn log_breaker_state(metrics: &UpstreamMetrics, state: BreakerState) {
    let upstream = metrics.name();
    match state {
        BreakerState::Closed => tracing::info!(upstream, "the order system answers again"),
        BreakerState::HalfOpen => tracing::debug!(upstream, "one read is sent to see whether the order system answers again"),
        BreakerState::Open => tracing::warn!(upstream, "the order system does not answer and is not asked for a moment"),
    }
    metrics.breaker.set(match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    });
}

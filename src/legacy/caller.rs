//! Calls of one order system: when they may be sent, and whether again.
//!
//! A call waits for its place and passes the breaker ([`Gate`]). A read that did not come through is sent again, at most
//! twice, as long as the budget pays and the time lasts; a write never is from here, because what may follow a write depends
//! on what it was for.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::{Instant, sleep, timeout_at};

use super::call::{Call, Effect, Method};
use super::exchange::{Exchange, Passing};
use super::profile::Profile;
use super::transport::{Response, Transport};
use crate::backend::{Error, RequestContext, Result};
use crate::metrics::UpstreamMetrics;
use crate::resilience::{Breaker, BreakerSettings, Budget, Ending, Gate, Limit, Passage, Refusal, State, Use, backoff};

/// How often a read is sent again.
const MAX_RETRIES: u32 = 2;

/// Makes calls.
#[derive(Debug)]
pub(crate) struct Caller {
    transport: Arc<Transport>,
    profile: Arc<Profile>,
    gate: Gate,
    budget: Arc<Budget>,
    timeout: Duration,
    metrics: UpstreamMetrics,
}

/// A call that the order system is working at.
#[derive(Debug)]
pub(crate) struct InFlight {
    passage: Passage,
    gauge: IntGauge,
}

impl Caller {
    pub(crate) fn new(
        transport: Arc<Transport>,
        profile: Arc<Profile>,
        max_in_flight: usize,
        breaker: BreakerSettings,
        timeout: Duration,
        metrics: UpstreamMetrics,
    ) -> Self {
        let told = metrics.clone();
        let breaker = Breaker::new(breaker, move |state| tell(&told, state));
        let gate = Gate::new(Limit::new(max_in_flight), breaker);
        Self { transport, profile, gate, budget: Arc::default(), timeout, metrics }
    }

    pub(crate) const fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    pub(crate) const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// How long an answer may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What pays for calls that are sent again.
    pub(crate) const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Whether no write is sent before a read has shown that the order system answers again.
    pub(crate) fn awaits_read(&self) -> bool {
        self.gate.awaits_read()
    }

    /// Makes a call and takes in its whole answer. It may wait until `deadline`.
    ///
    /// # Errors
    /// When it was not sent at all.
    pub(crate) async fn exchange(
        &self,
        context: &RequestContext,
        call: &'static Call,
        query: &str,
        deadline: Instant,
    ) -> Result<Exchange> {
        let mut retries = 0;
        loop {
            let mut place = match call.effect {
                Effect::Read => self.pass(context, call, retries, deadline).await?,
                Effect::WriteRepeatable | Effect::WriteOnce => self.pass_to_write(context, call, deadline).await?,
            };
            let exchange =
                Exchange::run(&self.transport, call, &self.profile, query, self.end_of_answer(context, call, deadline)).await;
            place.passage.ended(ending(&exchange));
            drop(place);
            // Of interest only to those who look for a row that has just been stamped.
            if let Some(ahead) = Some(&exchange).filter(|_| context.is_uncached()).and_then(Exchange::clock) {
                context.note_clock(ahead);
            }
            if !self.sends_again(call, exchange.trouble(), &mut retries, deadline).await {
                return Ok(exchange);
            }
        }
    }

    /// The response of a list, when its head promises one. The list keeps its place until it goes.
    ///
    /// # Errors
    /// Whatever else came of the call.
    pub(crate) async fn begin_list(
        &self,
        context: &RequestContext,
        call: &'static Call,
        query: &str,
        deadline: Instant,
    ) -> Result<(Response, InFlight)> {
        let mut retries = 0;
        loop {
            let mut place = self.pass(context, call, retries, deadline).await?;
            let exchange = match timeout_at(deadline, self.transport.send(call, query)).await {
                Ok(Ok(response)) if matches!(response.status, 200..=299) => return Ok((response, place)),
                Ok(Ok(response)) => Exchange::take_in(response, call, &self.profile, deadline).await,
                Ok(Err(error)) => Exchange::from(error),
                Err(_) => Exchange::TimedOut,
            };
            place.passage.ended(ending(&exchange));
            drop(place);
            if !self.sends_again(call, exchange.trouble(), &mut retries, deadline).await {
                let reason = "its HTTP status is no success";
                return Err(exchange.into_read().err().unwrap_or(Error::InvalidResponse { reason }));
            }
        }
    }

    /// Waits until the call may be sent, be it for another time, and whoever asked is still there.
    async fn pass(&self, context: &RequestContext, call: &Call, retries: u32, deadline: Instant) -> Result<InFlight> {
        let what = match (call.effect, call.method) {
            (Effect::WriteRepeatable | Effect::WriteOnce, _) => Use::Write,
            (Effect::Read, Method::Orders | Method::Customers) => Use::List,
            // What must see how things are now is asked for the sake of a write.
            (Effect::Read, _) if context.is_uncached() => Use::ReadForWrite,
            (Effect::Read, _) => Use::Read,
        };
        let passed = tokio::select! {
            biased;
            () = context.client_disconnected() => return Err(Error::ClientDisconnected),
            passed = self.gate.pass(what, deadline) => passed,
        };
        match passed {
            Ok(passage) => {
                if retries == 0 {
                    self.budget.pay_in();
                } else {
                    self.metrics.retry(call.name);
                    context.record_retry();
                }
                self.metrics.in_flight.inc();
                Ok(InFlight { passage, gauge: self.metrics.in_flight.clone() })
            }
            Err(Refusal::Busy) => Err(Error::Overloaded),
            Err(Refusal::Open(time)) => Err(Error::NotSent { cause: Box::new(Error::Unavailable { retry_after: Some(time) }) }),
        }
    }

    /// The same for a write, which is not sent any more when it is too late for that.
    async fn pass_to_write(&self, context: &RequestContext, call: &Call, deadline: Instant) -> Result<InFlight> {
        let latest = context.send_deadline();
        let place = timeout_at(latest, self.pass(context, call, 0, deadline)).await.unwrap_or(Err(Error::Overloaded))?;
        // A free place is had without a look at the clock.
        if Instant::now() >= latest {
            return Err(Error::Overloaded);
        }
        context.note_sent();
        Ok(place)
    }

    /// When the answer must be there. A write gets its full time however long it waited: one that is given up early leaves
    /// nobody the wiser.
    fn end_of_answer(&self, context: &RequestContext, call: &Call, deadline: Instant) -> Instant {
        match call.effect {
            Effect::Read => deadline,
            Effect::WriteRepeatable | Effect::WriteOnce => context.deadline().min(Instant::now() + self.timeout),
        }
    }

    /// Waits before a call that did not come through is sent again. `false` when it is not.
    async fn sends_again(&self, call: &Call, trouble: Option<Passing>, retries: &mut u32, deadline: Instant) -> bool {
        let Some(Passing { retry_after }) = trouble else { return false };
        if call.effect != Effect::Read || *retries == MAX_RETRIES {
            return false;
        }
        let pause = retry_after.unwrap_or_else(|| backoff::pause(*retries));
        if Instant::now() + pause >= deadline || !self.budget.pay_out() {
            return false;
        }
        *retries += 1;
        sleep(pause).await;
        true
    }
}

impl InFlight {
    /// Tells how a list began; how long it takes says nothing about others.
    pub(crate) fn began<T>(&mut self, first: &Result<T>) {
        self.passage.judged(match first {
            Err(Error::Timeout) => Ending::CutOff,
            Err(Error::InvalidResponse { .. }) => Ending::Badly,
            Ok(_) | Err(_) => Ending::Well,
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

fn ending(exchange: &Exchange) -> Ending {
    match exchange {
        Exchange::TimedOut => Ending::CutOff,
        ended if ended.is_healthy() => Ending::Well,
        _ => Ending::Badly,
    }
}

fn tell(metrics: &UpstreamMetrics, state: State) {
    let upstream = metrics.name();
    match state {
        State::Closed => tracing::info!(upstream, "the order system answers again"),
        State::Trying => tracing::debug!(upstream, "one read is sent to see whether the order system answers again"),
        State::Open => tracing::warn!(upstream, "the order system does not answer and is not asked for a moment"),
    }
    metrics.breaker.set(match state {
        State::Closed => 0,
        State::Trying => 1,
        State::Open => 2,
    });
}

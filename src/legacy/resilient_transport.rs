//! Calls of one upstream with admission and retries ([`UpstreamCalls`]).
//!
//! Reads are retried at most twice, within the retry budget and the deadline. Writes are not retried here:
//! [`crate::writes`] decides that, because what may follow a write depends on what it was for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::attempt::Attempt;
use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::transport::{Response, Transport};
use crate::backend::{Error, InFlightCall, RequestContext, Result, Sent, UpstreamCalls};
use crate::metrics::UpstreamMetrics;
use crate::resilience::{RetryBudget, Share};

/// Makes calls.
#[derive(Debug)]
pub(crate) struct ResilientTransport {
    transport: Arc<Transport>,
    settings: Arc<DecodeSettings>,
    calls: UpstreamCalls,
    timeout: Duration,
}

impl ResilientTransport {
    pub(crate) const fn new(
        transport: Arc<Transport>,
        settings: Arc<DecodeSettings>,
        calls: UpstreamCalls,
        timeout: Duration,
    ) -> Self {
        Self { transport, settings, calls, timeout }
    }

    pub(crate) const fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    pub(crate) const fn decode_settings(&self) -> &Arc<DecodeSettings> {
        &self.settings
    }

    pub(crate) const fn metrics(&self) -> &UpstreamMetrics {
        self.calls.metrics()
    }

    /// Limit of a response.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Pays for calls that are sent again.
    pub(crate) const fn budget(&self) -> &Arc<RetryBudget> {
        self.calls.budget()
    }

    /// Whether the breaker is half-open and waits for a read as its probe.
    pub(crate) fn awaits_probe(&self) -> bool {
        self.calls.awaits_probe()
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
            let mut call = self.calls.admit(context, method.call(), retries, deadline).await?;
            let attempt = match timeout_at(deadline, self.transport.read(context, query)).await {
                Err(_) => Attempt::TimedOut,
                Ok(Err(error)) => Attempt::from(error),
                Ok(Ok(response)) => Attempt::receive(response, method, &self.settings, share, deadline).await,
            };
            record_completed(&mut call, &attempt);
            drop(call);
            if !self.calls.wait_for_retry(attempt.transient_failure(), &mut retries, deadline).await {
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
        let mut call = self.calls.admit_write(context, method.call(), 0, deadline).await?;
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
        record_completed(&mut call, &attempt);
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
            let mut call = self.calls.admit(context, method.call(), retries, deadline).await?;
            let attempt = match timeout_at(deadline, self.transport.read(context, query)).await {
                Ok(Ok(response)) if matches!(response.status, 200..=299) => return Ok((response, call)),
                Ok(Ok(response)) => Attempt::receive(response, method, &self.settings, Share::Reads, deadline).await,
                Ok(Err(error)) => Attempt::from(error),
                Err(_) => Attempt::TimedOut,
            };
            record_completed(&mut call, &attempt);
            drop(call);
            if !self.calls.wait_for_retry(attempt.transient_failure(), &mut retries, deadline).await {
                let reason = "its HTTP status is not a success";
                return Err(attempt.read_result().err().unwrap_or(Error::InvalidResponse { reason }));
            }
        }
    }
}

fn record_completed(call: &mut InFlightCall, attempt: &Attempt) {
    if let Some(outcome) = attempt.outcome() {
        call.record_completed(outcome);
    }
}

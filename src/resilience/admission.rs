//! Admission of a call to one upstream: a permit of the concurrency limit and the consent of the circuit breaker.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::circuit_breaker::{BreakerPermit, CircuitBreaker};
use super::concurrency_limit::{ConcurrencyLimit, ConcurrencyPermit, Priority};

/// A concurrency limit and a circuit breaker, passed in this order.
#[derive(Debug)]
pub struct Admission {
    limit: ConcurrencyLimit,
    breaker: CircuitBreaker,
}

/// How a call ended, from the upstream's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream is healthy. Its answer may still be a rejection.
    Success,
    /// The upstream failed to answer, or its answer was unusable.
    Failure,
    /// The call's deadline passed before the answer came.
    TimedOut,
}

/// Why a call was not admitted. It has not been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// No permit became free in time.
    #[error("too many concurrent calls")]
    Overloaded,
    /// The circuit breaker is open; the time until it may admit a call again.
    #[error("the circuit breaker is open for another {0:?}")]
    CircuitOpen(Duration),
}

/// An admitted call. Holds its permit of the concurrency limit until dropped.
#[derive(Debug)]
pub struct Permit {
    permit: ConcurrencyPermit,
    /// `None` once the outcome is recorded.
    breaker_permit: Option<BreakerPermit>,
}

impl Admission {
    /// Combines a limit and a breaker.
    #[must_use]
    pub const fn new(limit: ConcurrencyLimit, breaker: CircuitBreaker) -> Self {
        Self { limit, breaker }
    }

    /// Waits until a call that must end before `deadline` may be sent; a list counts towards the share of `client`.
    ///
    /// # Errors
    /// [`Rejected`] when it cannot be sent in time, or the breaker is open.
    pub async fn admit(&self, priority: Priority, client: Option<&Arc<str>>, deadline: Instant) -> Result<Permit, Rejected> {
        let permit = self.limit.acquire(priority, client, deadline).await.ok_or(Rejected::Overloaded)?;
        let breaker_permit = self.breaker.admit(priority != Priority::Write).map_err(Rejected::CircuitOpen)?;
        Ok(Permit { permit, breaker_permit: Some(breaker_permit) })
    }

    /// Whether writes are rejected until a read has probed the upstream.
    #[must_use]
    pub fn awaits_probe(&self) -> bool {
        self.breaker.awaits_probe()
    }
}

impl Permit {
    /// Records the outcome and the latency of a call that has ended.
    pub fn record_completed(&mut self, outcome: Outcome) {
        self.record_outcome(outcome);
        match outcome {
            Outcome::Success | Outcome::Failure => self.permit.record_completed(),
            Outcome::TimedOut => self.permit.record_timeout(),
        }
    }

    /// Records only the outcome, for a call that goes on: how long a list takes depends on its reader, not on the upstream.
    /// Only the first outcome counts.
    pub fn record_outcome(&mut self, outcome: Outcome) {
        let Some(breaker_permit) = self.breaker_permit.take() else { return };
        match outcome {
            Outcome::Success => breaker_permit.record_success(),
            Outcome::Failure => breaker_permit.record_failure(),
            Outcome::TimedOut if self.permit.had_fair_time() => breaker_permit.record_failure(),
            // The call spent its time in the queue. Counting that against the upstream would open the breaker under load.
            Outcome::TimedOut => drop(breaker_permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parking_lot::Mutex;
    use tokio::time::{sleep, timeout_at};

    use super::super::circuit_breaker::BreakerSettings;
    use super::*;

    const PERMITS: usize = 16;
    const TIMEOUT: Duration = Duration::from_secs(4);

    /// An upstream with a settable latency.
    struct Upstream {
        admission: Admission,
        latency: Mutex<Duration>,
        served: AtomicUsize,
        rejected_by_breaker: AtomicUsize,
    }

    impl Upstream {
        fn new() -> Arc<Self> {
            let breaker = CircuitBreaker::new(BreakerSettings::default(), |_| ());
            Arc::new(Self {
                admission: Admission::new(ConcurrencyLimit::new(PERMITS), breaker),
                latency: Mutex::new(Duration::from_millis(50)),
                served: AtomicUsize::new(0),
                rejected_by_breaker: AtomicUsize::new(0),
            })
        }

        async fn call(self: Arc<Self>) {
            let deadline = Instant::now() + TIMEOUT;
            let mut permit = match self.admission.admit(Priority::Write, None, deadline).await {
                Ok(permit) => permit,
                Err(Rejected::Overloaded) => return,
                Err(Rejected::CircuitOpen(_)) => {
                    self.rejected_by_breaker.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            };
            let latency = *self.latency.lock();
            let is_served = timeout_at(deadline, sleep(latency)).await.is_ok();
            self.served.fetch_add(is_served.into(), Ordering::Relaxed);
            permit.record_completed(if is_served { Outcome::Success } else { Outcome::TimedOut });
        }

        /// Makes 60 calls per second. Returns how many were served in that time.
        async fn serve_for(self: &Arc<Self>, seconds: u32) -> usize {
            let before = self.served.load(Ordering::Relaxed);
            for _ in 0..seconds * 60 {
                tokio::spawn(Arc::clone(self).call());
                sleep(Duration::from_secs(1) / 60).await;
            }
            self.served.load(Ordering::Relaxed) - before
        }
    }

    #[tokio::test(start_paused = true)]
    async fn goodput_holds_under_overload() {
        let upstream = Upstream::new();
        assert!(upstream.serve_for(5).await >= 5 * 60 - 5);

        *upstream.latency.lock() = Duration::from_secs(1);

        for seconds in [5, 5, 30] {
            let (served, capacity) = (upstream.serve_for(seconds).await, PERMITS * seconds as usize);
            assert!(served >= capacity * 9 / 10, "{served} of {capacity} in {seconds} s");
        }
        assert_eq!(upstream.rejected_by_breaker.load(Ordering::Relaxed), 0, "a slow upstream is not a failed one");
    }

    #[tokio::test(start_paused = true)]
    async fn breaker_opens_for_a_hung_upstream_under_load() {
        let upstream = Upstream::new();
        upstream.serve_for(5).await;

        *upstream.latency.lock() = Duration::from_hours(1);
        upstream.serve_for(15).await;

        assert!(upstream.rejected_by_breaker.load(Ordering::Relaxed) > 0);
    }
}

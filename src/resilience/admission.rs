//! What every call passes before it is sent.

use std::time::Duration;

use tokio::time::Instant;

use super::circuit_breaker::{BreakerPermit, CircuitBreaker};
use super::concurrency_limit::{ConcurrencyLimit, ConcurrencyPermit, Priority};

/// A limit and a breaker.
#[derive(Debug)]
pub struct Admission {
    limit: ConcurrencyLimit,
    breaker: CircuitBreaker,
}

/// How a call ended, as far as the one who was called is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The one who was called did their part.
    Success,
    /// They did not.
    Failure,
    /// They did not in the time that was left.
    TimedOut,
}

/// Why a call was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// There was no place in time.
    Overloaded,
    /// The breaker is open; the time after which to come back.
    CircuitOpen(Duration),
}

/// A call that was let through, until it has ended.
#[derive(Debug)]
pub struct Permit {
    permit: ConcurrencyPermit,
    breaker_permit: Option<BreakerPermit>,
}

impl Admission {
    /// Calls wait for a place in `limit` and then ask `breaker`.
    #[must_use]
    pub const fn new(limit: ConcurrencyLimit, breaker: CircuitBreaker) -> Self {
        Self { limit, breaker }
    }

    /// Lets a call through that must end before the deadline.
    ///
    /// # Errors
    /// When it is not let through.
    pub async fn admit(&self, what: Priority, deadline: Instant) -> Result<Permit, Rejected> {
        let permit = self.limit.acquire(what, deadline).await.ok_or(Rejected::Overloaded)?;
        let permission = self.breaker.admit(what != Priority::Write).map_err(Rejected::CircuitOpen)?;
        Ok(Permit { permit, breaker_permit: Some(permission) })
    }

    /// Whether no write is let through before a read has shown that calls are answered again.
    #[must_use]
    pub fn awaits_probe(&self) -> bool {
        self.breaker.awaits_probe()
    }
}

impl Permit {
    /// Tells how the call ended. The place is kept until this goes.
    pub fn record_completed(&mut self, ending: Outcome) {
        self.record_outcome(ending);
        match ending {
            Outcome::Success | Outcome::Failure => self.permit.record_completed(),
            Outcome::TimedOut => self.permit.record_timeout(),
        }
    }

    /// The same for a call that goes on, and whose length says nothing about others.
    pub fn record_outcome(&mut self, ending: Outcome) {
        let Some(permission) = self.breaker_permit.take() else { return };
        match ending {
            Outcome::Success => permission.ended(true),
            Outcome::Failure => permission.ended(false),
            Outcome::TimedOut if self.permit.had_fair_time() => permission.ended(false),
            // It was late before it was sent.
            Outcome::TimedOut => drop(permission),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use tokio::time::{sleep, timeout_at};

    use super::super::circuit_breaker::BreakerSettings;
    use super::*;

    const PLACES: usize = 16;
    const TIMEOUT: Duration = Duration::from_secs(4);

    /// Somebody who is called through a gate.
    struct Called {
        gate: Admission,
        /// How long they take.
        takes: Mutex<Duration>,
        served: AtomicUsize,
        refused_by_breaker: AtomicUsize,
    }

    impl Called {
        fn new() -> Arc<Self> {
            let gate = Admission::new(ConcurrencyLimit::new(PLACES), CircuitBreaker::new(BreakerSettings::default(), |_| ()));
            let takes = Mutex::new(Duration::from_millis(50));
            Arc::new(Self { gate, takes, served: AtomicUsize::new(0), refused_by_breaker: AtomicUsize::new(0) })
        }

        async fn call(self: Arc<Self>) {
            let deadline = Instant::now() + TIMEOUT;
            let mut passage = match self.gate.admit(Priority::Write, deadline).await {
                Ok(passage) => passage,
                Err(Rejected::Overloaded) => return,
                Err(Rejected::CircuitOpen(_)) => {
                    self.refused_by_breaker.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            };
            let takes = *self.takes.lock().unwrap();
            let is_served = timeout_at(deadline, sleep(takes)).await.is_ok();
            self.served.fetch_add(is_served.into(), Ordering::Relaxed);
            passage.record_completed(if is_served { Outcome::Success } else { Outcome::TimedOut });
        }

        /// Makes 60 calls a second, and returns how many were served in the meantime.
        async fn serves(self: &Arc<Self>, seconds: u32) -> usize {
            let before = self.served.load(Ordering::Relaxed);
            for _ in 0..seconds * 60 {
                tokio::spawn(Arc::clone(self).call());
                sleep(Duration::from_secs(1) / 60).await;
            }
            self.served.load(Ordering::Relaxed) - before
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_calls_become_slower_than_there_are_places_for_as_many_are_served_as_can_be() {
        let called = Called::new();
        assert!(called.serves(5).await >= 5 * 60 - 5);
        *called.takes.lock().unwrap() = Duration::from_secs(1);
        for seconds in [5, 5, 30] {
            let (served, places) = (called.serves(seconds).await, PLACES * seconds as usize);
            assert!(served >= places * 9 / 10, "{served} of {places} in {seconds} s");
        }
        assert_eq!(called.refused_by_breaker.load(Ordering::Relaxed), 0, "who is only slow is not given up");
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_answers_is_noticed_however_many_wait() {
        let called = Called::new();
        called.serves(5).await;
        *called.takes.lock().unwrap() = Duration::from_hours(1);
        called.serves(15).await;
        assert!(called.refused_by_breaker.load(Ordering::Relaxed) > 0);
    }
}

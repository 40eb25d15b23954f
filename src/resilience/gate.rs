//! What every call passes before it is sent.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, Permission};
use super::limit::{Limit, Permit};

/// A limit and a breaker.
#[derive(Debug)]
pub struct Gate {
    limit: Limit,
    breaker: Breaker,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It looks at many things, and takes as long as whoever reads about them.
    List,
    /// It looks.
    Read,
    /// It looks, and something is changed or not by what is there.
    ReadForWrite,
    /// It changes something.
    Write,
}

/// How a call ended, as far as the one who was called is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The one who was called did their part.
    Well,
    /// They did not.
    Badly,
    /// They did not in the time that was left.
    CutOff,
}

/// Why a call was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There was no place in time.
    Busy,
    /// The breaker is open; the time after which to come back.
    Open(Duration),
}

/// A call that was let through, until it has ended.
#[derive(Debug)]
pub struct Passage {
    permit: Permit,
    permission: Option<Permission>,
}

impl Gate {
    /// Calls wait for a place in `limit` and then ask `breaker`.
    #[must_use]
    pub const fn new(limit: Limit, breaker: Breaker) -> Self {
        Self { limit, breaker }
    }

    /// Lets a call through that must end before the deadline.
    ///
    /// # Errors
    /// When it is not let through.
    pub async fn pass(&self, what: Use, deadline: Instant) -> Result<Passage, Refusal> {
        let permit = self.limit.place(what, deadline).await.ok_or(Refusal::Busy)?;
        let permission = self.breaker.admit(what != Use::Write).map_err(Refusal::Open)?;
        Ok(Passage { permit, permission: Some(permission) })
    }

    /// Whether no write is let through before a read has shown that calls are answered again.
    #[must_use]
    pub fn awaits_read(&self) -> bool {
        self.breaker.awaits_probe()
    }
}

impl Passage {
    /// Tells how the call ended. The place is kept until this goes.
    pub fn ended(&mut self, ending: Ending) {
        self.judged(ending);
        match ending {
            Ending::Well | Ending::Badly => self.permit.ended(),
            Ending::CutOff => self.permit.cut_off(),
        }
    }

    /// The same for a call that goes on, and whose length says nothing about others.
    pub fn judged(&mut self, ending: Ending) {
        let Some(permission) = self.permission.take() else { return };
        match ending {
            Ending::Well => permission.ended(true),
            Ending::Badly => permission.ended(false),
            Ending::CutOff if self.permit.has_had_time() => permission.ended(false),
            // It was late before it was sent.
            Ending::CutOff => drop(permission),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use tokio::time::{sleep, timeout_at};

    use super::super::breaker::BreakerSettings;
    use super::*;

    const PLACES: usize = 16;
    const TIMEOUT: Duration = Duration::from_secs(4);

    /// Somebody who is called through a gate.
    struct Called {
        gate: Gate,
        /// How long they take.
        takes: Mutex<Duration>,
        served: AtomicUsize,
        refused_by_breaker: AtomicUsize,
    }

    impl Called {
        fn new() -> Arc<Self> {
            let gate = Gate::new(Limit::new(PLACES), Breaker::new(BreakerSettings::default(), |_| ()));
            let takes = Mutex::new(Duration::from_millis(50));
            Arc::new(Self { gate, takes, served: AtomicUsize::new(0), refused_by_breaker: AtomicUsize::new(0) })
        }

        async fn call(self: Arc<Self>) {
            let deadline = Instant::now() + TIMEOUT;
            let mut passage = match self.gate.pass(Use::Write, deadline).await {
                Ok(passage) => passage,
                Err(Refusal::Busy) => return,
                Err(Refusal::Open(_)) => {
                    self.refused_by_breaker.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            };
            let takes = *self.takes.lock().unwrap();
            let is_served = timeout_at(deadline, sleep(takes)).await.is_ok();
            self.served.fetch_add(is_served.into(), Ordering::Relaxed);
            passage.ended(if is_served { Ending::Well } else { Ending::CutOff });
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

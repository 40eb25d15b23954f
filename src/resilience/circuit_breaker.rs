//! Stops asking somebody who does not answer, and looks from time to time whether they do again.
//!
//! *Closed*, everything goes through, and what ended in the last ten seconds is counted. When enough of it failed, the breaker
//! *opens*: nothing goes through for a while. Then one read goes through to *try*: if it ends well the breaker closes, if not
//! it opens again for twice as long. Whoever has only writes to make asks [`Breaker::awaits_probe`] and reads something first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Whether it ever does.
    pub enabled: bool,
    /// How many calls must have ended in the window.
    pub min_calls: u32,
    /// How many of a hundred must have failed.
    pub failure_percent: u32,
    /// The longest time for which it stays open.
    pub max_open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { enabled: true, min_calls: 20, failure_percent: 80, max_open: Duration::from_secs(5) }
    }
}

/// The time that is looked back on, second by second.
const WINDOW: Duration = Duration::from_secs(10);
const SLOTS: usize = 10;
/// How long the breaker stays open at first.
const FIRST_OPEN: Duration = Duration::from_secs(1);

/// A breaker. Cheap to clone; clones are the same one.
#[derive(Debug, Clone)]
pub struct CircuitBreaker(Arc<Inner>);

struct Inner {
    settings: BreakerSettings,
    circuit: Mutex<Circuit>,
    on_change: Box<dyn Fn(BreakerState) + Send + Sync>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.circuit.fmt(f)
    }
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets all through.
    Closed,
    /// Lets one read through, or waits for it to end.
    HalfOpen,
    /// Lets none through.
    Open,
}

#[derive(Debug)]
enum Circuit {
    Closed(Window),
    Open {
        until: Instant,
        time: Duration,
    },
    /// Open for `time` before. One read at a time is the probe.
    HalfOpen {
        time: Duration,
        is_probe_out: bool,
    },
}

/// Given to a call that is let through. Who drops it without a word says nothing about the one who was called.
#[derive(Debug)]
pub struct BreakerPermit {
    breaker: CircuitBreaker,
    is_probe: bool,
    is_told: bool,
}

impl CircuitBreaker {
    /// A closed breaker that tells of every change.
    #[must_use]
    pub fn new(settings: BreakerSettings, on_change: impl Fn(BreakerState) + Send + Sync + 'static) -> Self {
        let circuit = Mutex::new(Circuit::Closed(Window::new(Instant::now())));
        Self(Arc::new(Inner { settings, circuit, on_change: Box::new(on_change) }))
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// When it does not: the time after which to come back.
    pub fn admit(&self, is_read: bool) -> Result<BreakerPermit, Duration> {
        let mut circuit = self.circuit();
        let now = Instant::now();
        match &mut *circuit {
            Circuit::Closed(_) => Ok(self.permit(false)),
            Circuit::Open { until, .. } if now < *until => Err(*until - now),
            // Only a read is sent to try: how a failed write ended is not known.
            Circuit::Open { .. } | Circuit::HalfOpen { is_probe_out: false, .. } if !is_read => Err(FIRST_OPEN),
            Circuit::Open { time, .. } | Circuit::HalfOpen { time, is_probe_out: false } => {
                let time = *time;
                *circuit = Circuit::HalfOpen { time, is_probe_out: true };
                drop(circuit);
                (self.0.on_change)(BreakerState::HalfOpen);
                Ok(self.permit(true))
            }
            Circuit::HalfOpen { .. } => Err(FIRST_OPEN),
        }
    }

    /// Whether it waits for a read to be sent to try.
    #[must_use]
    pub fn awaits_probe(&self) -> bool {
        match &*self.circuit() {
            Circuit::Closed(_) => false,
            Circuit::Open { until, .. } => Instant::now() >= *until,
            Circuit::HalfOpen { is_probe_out, .. } => !is_probe_out,
        }
    }

    fn permit(&self, is_probe: bool) -> BreakerPermit {
        BreakerPermit { breaker: self.clone(), is_probe, is_told: false }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.0.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, is_probe: bool, well: bool) {
        let BreakerSettings { enabled, min_calls, failure_percent, max_open } = self.0.settings;
        let mut circuit = self.circuit();
        let now = Instant::now();
        let open_for = match &mut *circuit {
            Circuit::Closed(window) => {
                window.count(now, well);
                let (calls, failures) = window.sum();
                let is_bad = calls >= min_calls && failures * 100 >= calls * failure_percent;
                (enabled && !well && is_bad).then_some(FIRST_OPEN.min(max_open))
            }
            Circuit::HalfOpen { time, .. } if is_probe && !well => Some(time.saturating_mul(2).min(max_open)),
            Circuit::HalfOpen { .. } if is_probe => {
                *circuit = Circuit::Closed(Window::new(now));
                drop(circuit);
                return (self.0.on_change)(BreakerState::Closed);
            }
            // A call that was let through before says nothing new.
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => None,
        };
        if let Some(time) = open_for {
            *circuit = Circuit::Open { until: now + time, time };
            drop(circuit);
            (self.0.on_change)(BreakerState::Open);
        }
    }

    /// The probe came back without a word: another may go.
    fn abandon_probe(&self) {
        if let Circuit::HalfOpen { is_probe_out, .. } = &mut *self.circuit() {
            *is_probe_out = false;
        }
    }
}

impl BreakerPermit {
    /// Tells how the call ended.
    pub fn ended(mut self, well: bool) {
        self.is_told = true;
        self.breaker.ended(self.is_probe, well);
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        if self.is_probe && !self.is_told {
            self.breaker.abandon_probe();
        }
    }
}

/// What ended in each of the last ten seconds.
#[derive(Debug)]
struct Window {
    began: Instant,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    second: u64,
    calls: u32,
    failures: u32,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { began: now, slots: [Slot::default(); SLOTS] }
    }

    fn count(&mut self, now: Instant, well: bool) {
        let second = (now - self.began).as_secs();
        for slot in &mut self.slots {
            // What is too old is forgotten.
            if slot.second + WINDOW.as_secs() <= second {
                *slot = Slot { second, ..Slot::default() };
            }
        }
        let index = usize::try_from(second).unwrap_or_default() % SLOTS;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.second = second;
            slot.calls += 1;
            slot.failures += u32::from(!well);
        }
    }

    fn sum(&self) -> (u32, u32) {
        self.slots.iter().fold((0, 0), |(calls, failures), slot| (calls + slot.calls, failures + slot.failures))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn breaker() -> (CircuitBreaker, Arc<Mutex<Vec<BreakerState>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        (CircuitBreaker::new(BreakerSettings::default(), move |state| told.lock().unwrap().push(state)), seen)
    }

    fn end(breaker: &CircuitBreaker, times: usize, well: bool) {
        for _ in 0..times {
            breaker.admit(true).expect("closed").ended(well);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_opens_when_enough_calls_ended_and_four_of_five_failed() {
        let (few, _) = breaker();
        end(&few, 19, false);
        assert!(few.admit(true).is_ok(), "19 are not enough");
        few.admit(true).expect("closed").ended(false);
        assert_eq!(few.admit(true).expect_err("open"), SECOND);
        let (many, _) = breaker();
        end(&many, 21, true);
        end(&many, 83, false);
        assert!(many.admit(true).is_ok(), "83 of 104 is below 80 %");
        many.admit(true).expect("closed").ended(false);
        assert!(many.admit(true).is_err(), "84 of 105 is 80 %");
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_more_than_ten_seconds_ago_does_not_count() {
        let (breaker, _) = breaker();
        end(&breaker, 19, false);
        advance(WINDOW).await;
        end(&breaker, 19, false);
        assert!(breaker.admit(true).is_ok());
        advance(SECOND * 9).await;
        breaker.admit(true).expect("closed").ended(false);
        assert!(breaker.admit(true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_read_tries_and_the_time_doubles_up_to_five_seconds() {
        let (breaker, seen) = breaker();
        end(&breaker, 20, false);
        for seconds in [1, 2, 4, 5, 5] {
            advance(Duration::from_millis(seconds * 1_000 - 1)).await;
            assert!(breaker.admit(true).is_err() && !breaker.awaits_probe(), "{seconds}");
            advance(Duration::from_millis(1)).await;
            assert!(breaker.admit(false).is_err() && breaker.awaits_probe(), "no write tries");
            let probe = breaker.admit(true).expect("one read");
            assert!(breaker.admit(true).is_err() && breaker.admit(false).is_err(), "no second one");
            assert!(!breaker.awaits_probe());
            probe.ended(false);
        }
        advance(SECOND * 5).await;
        breaker.admit(true).expect("one read").ended(true);
        assert!(breaker.admit(false).is_ok() && !breaker.awaits_probe());
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen.first(), seen.last()), (13, Some(&BreakerState::Open), Some(&BreakerState::Closed)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_tells_nothing_lets_another_go() {
        let (breaker, _) = breaker();
        end(&breaker, 20, false);
        advance(SECOND).await;
        drop(breaker.admit(true).expect("one read"));
        assert!(breaker.awaits_probe());
        breaker.admit(true).expect("another").ended(true);
        assert!(breaker.admit(true).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_from_before_does_not_close_it() {
        let (breaker, _) = breaker();
        let early = breaker.admit(true).expect("closed");
        end(&breaker, 20, false);
        early.ended(true);
        assert!(breaker.admit(true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_switched_off_never_opens() {
        let breaker = CircuitBreaker::new(BreakerSettings { enabled: false, ..BreakerSettings::default() }, |_| ());
        end(&breaker, 1_000, false);
    }
}

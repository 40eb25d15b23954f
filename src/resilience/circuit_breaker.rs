//! Circuit breaker for one upstream: opens on a high failure rate and probes for recovery.
//!
//! ```text
//!           failure rate reached          open time over, a read comes
//!  Closed ──────────────────────► Open ────────────────────────────────► HalfOpen
//!    ▲                             ▲                                      │    │
//!    │                             └────── probe failed: open longer ─────┘    │
//!    └─────────────────────────── probe succeeded ─────────────────────────────┘
//! ```
//!
//! * *Closed*: every call is admitted. Outcomes are counted in a sliding window of ten seconds. The breaker opens when the
//!   window has enough calls and enough of them failed.
//! * *Open*: every call is rejected at once. This spares clients the wait for a timeout, and an overloaded upstream the load.
//! * *Half-open*: one call at a time is admitted as the probe. Its success closes the breaker with an empty window; its failure
//!   opens it for twice as long, up to a maximum. A probe that is dropped without a result makes room for another one.
//!
//! Only a read may be the probe: whether a failed write was applied is unknown. A caller with nothing but writes to make checks
//! [`CircuitBreaker::awaits_probe`] and reads something first.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Whether it opens at all.
    pub enabled: bool,
    /// The minimum number of calls in the window. Below it a failure rate means nothing.
    pub min_calls: u32,
    /// The failure rate that opens it, in percent.
    pub failure_percent: u32,
    /// The longest time that it stays open before a probe.
    pub max_open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { enabled: true, min_calls: 20, failure_percent: 80, max_open: Duration::from_secs(5) }
    }
}

/// The sliding window, in slots of one second.
const WINDOW: Duration = Duration::from_secs(10);
const SLOTS: usize = 10;
/// How long the breaker stays open at first.
const FIRST_OPEN: Duration = Duration::from_secs(1);

/// A circuit breaker. Clones share state.
#[derive(Debug, Clone)]
pub struct CircuitBreaker(Arc<Inner>);

struct Inner {
    settings: BreakerSettings,
    circuit: Mutex<Circuit>,
    /// Never called with `circuit` locked: it logs, and other calls must not wait for that.
    on_change: Box<dyn Fn(BreakerState) + Send + Sync>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.circuit.fmt(f)
    }
}

/// The state of a breaker, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call is admitted.
    Closed,
    /// One read at a time is admitted, to probe the upstream.
    HalfOpen,
    /// Every call is rejected.
    Open,
}

/// The state with its data.
#[derive(Debug)]
enum Circuit {
    Closed(Window),
    Open {
        until: Instant,
        open_time: Duration,
    },
    /// `open_time` is how long the breaker was open before; the next time is derived from it.
    HalfOpen {
        open_time: Duration,
        probe_in_flight: bool,
    },
}

/// Permit for one call. Dropping it without a result records neither success nor failure.
#[derive(Debug)]
pub struct BreakerPermit {
    breaker: CircuitBreaker,
    is_probe: bool,
    is_recorded: bool,
}

impl CircuitBreaker {
    /// A closed breaker that reports every change of its state to `on_change`.
    #[must_use]
    pub fn new(settings: BreakerSettings, on_change: impl Fn(BreakerState) + Send + Sync + 'static) -> Self {
        let circuit = Mutex::new(Circuit::Closed(Window::new(Instant::now())));
        Self(Arc::new(Inner { settings, circuit, on_change: Box::new(on_change) }))
    }

    /// Admits a call. `can_probe` says that it is a read, and may be the one that finds out whether the upstream has recovered.
    ///
    /// # Errors
    /// When the call is rejected: the time until one may be admitted again.
    pub fn admit(&self, can_probe: bool) -> Result<BreakerPermit, Duration> {
        let mut circuit = self.0.circuit.lock();
        let now = Instant::now();
        match &mut *circuit {
            Circuit::Closed(_) => Ok(self.permit(false)),
            Circuit::Open { until, .. } if now < *until => Err(*until - now),
            Circuit::Open { open_time, .. } | Circuit::HalfOpen { open_time, probe_in_flight: false } if can_probe => {
                let open_time = *open_time;
                *circuit = Circuit::HalfOpen { open_time, probe_in_flight: true };
                drop(circuit);
                (self.0.on_change)(BreakerState::HalfOpen);
                Ok(self.permit(true))
            }
            // How long a probe takes, or when the next read comes, is not known; the first open time is as good a guess as any.
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => Err(FIRST_OPEN),
        }
    }

    /// Whether every call is rejected until a read has been admitted as the probe.
    #[must_use]
    pub fn awaits_probe(&self) -> bool {
        match &*self.0.circuit.lock() {
            Circuit::Closed(_) => false,
            Circuit::Open { until, .. } => Instant::now() >= *until,
            Circuit::HalfOpen { probe_in_flight, .. } => !probe_in_flight,
        }
    }

    fn permit(&self, is_probe: bool) -> BreakerPermit {
        BreakerPermit { breaker: self.clone(), is_probe, is_recorded: false }
    }

    fn record(&self, is_probe: bool, is_success: bool) {
        let BreakerSettings { enabled, min_calls, failure_percent, max_open } = self.0.settings;
        let mut circuit = self.0.circuit.lock();
        let now = Instant::now();
        let open_time = match &mut *circuit {
            Circuit::Closed(window) => {
                window.record(now, is_success);
                let (calls, failures) = window.totals();
                let is_failing = calls >= min_calls && failures * 100 >= calls * failure_percent;
                // Only a failure opens it: the call that fills up the minimum may be a success, and then things get better.
                (enabled && !is_success && is_failing).then_some(FIRST_OPEN.min(max_open))
            }
            Circuit::HalfOpen { open_time, .. } if is_probe && !is_success => Some(open_time.saturating_mul(2).min(max_open)),
            Circuit::HalfOpen { .. } if is_probe => {
                *circuit = Circuit::Closed(Window::new(now));
                drop(circuit);
                return (self.0.on_change)(BreakerState::Closed);
            }
            // A call that was admitted before the breaker opened says nothing about the upstream's state now.
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => None,
        };
        if let Some(open_time) = open_time {
            *circuit = Circuit::Open { until: now + open_time, open_time };
            drop(circuit);
            (self.0.on_change)(BreakerState::Open);
        }
    }

    /// Makes room for another probe after one that was dropped without a result.
    fn abandon_probe(&self) {
        if let Circuit::HalfOpen { probe_in_flight, .. } = &mut *self.0.circuit.lock() {
            *probe_in_flight = false;
        }
    }
}

impl BreakerPermit {
    /// Records that the upstream answered the call.
    pub fn record_success(mut self) {
        self.is_recorded = true;
        self.breaker.record(self.is_probe, true);
    }

    /// Records that the upstream failed to answer the call.
    pub fn record_failure(mut self) {
        self.is_recorded = true;
        self.breaker.record(self.is_probe, false);
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        if self.is_probe && !self.is_recorded {
            self.breaker.abandon_probe();
        }
    }
}

/// A ring of one-second slots. Memory and time are constant, whatever the rate of calls.
#[derive(Debug)]
struct Window {
    began: Instant,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The second, counted from the beginning of the window, that the counters are for.
    second: u64,
    calls: u32,
    failures: u32,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { began: now, slots: [Slot::default(); SLOTS] }
    }

    fn record(&mut self, now: Instant, is_success: bool) {
        let second = (now - self.began).as_secs();
        for (index, slot) in (0..).zip(&mut self.slots) {
            if slot.second + WINDOW.as_secs() <= second {
                *slot = Slot { second, ..Slot::default() };
            }
            if index == second % WINDOW.as_secs() {
                slot.second = second;
                slot.calls += 1;
                slot.failures += u32::from(!is_success);
            }
        }
    }

    /// Calls and failures. Expired slots need not be filtered out: `record` clears them, and comes first.
    fn totals(&self) -> (u32, u32) {
        self.slots.iter().fold((0, 0), |(calls, failures), slot| (calls + slot.calls, failures + slot.failures))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A breaker and the changes of its state.
    fn breaker() -> (CircuitBreaker, Arc<Mutex<Vec<BreakerState>>>) {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let recorder = Arc::clone(&changes);
        (CircuitBreaker::new(BreakerSettings::default(), move |state| recorder.lock().push(state)), changes)
    }

    fn succeed(breaker: &CircuitBreaker, calls: usize) {
        (0..calls).for_each(|_| breaker.admit(true).expect("closed").record_success());
    }

    fn fail(breaker: &CircuitBreaker, calls: usize) {
        (0..calls).for_each(|_| breaker.admit(true).expect("closed").record_failure());
    }

    #[tokio::test(start_paused = true)]
    async fn opens_at_the_minimum_number_of_calls() {
        let (breaker, _) = breaker();

        fail(&breaker, 19);

        assert!(breaker.admit(true).is_ok(), "19 are not enough");
        fail(&breaker, 1);
        assert_eq!(breaker.admit(true).expect_err("open"), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn opens_at_the_failure_rate() {
        let (breaker, _) = breaker();
        succeed(&breaker, 21);

        fail(&breaker, 83);

        assert!(breaker.admit(true).is_ok(), "83 of 104 is below 80 %");
        fail(&breaker, 1);
        assert!(breaker.admit(true).is_err(), "84 of 105 is 80 %");
    }

    #[tokio::test(start_paused = true)]
    async fn window_forgets_calls_after_ten_seconds() {
        let (breaker, _) = breaker();
        fail(&breaker, 19);

        advance(WINDOW).await;
        fail(&breaker, 19);

        assert!(breaker.admit(true).is_ok());
        advance(SECOND * 9).await;
        fail(&breaker, 1);
        assert!(breaker.admit(true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_read_probes_and_open_time_doubles() {
        let (breaker, changes) = breaker();
        fail(&breaker, 20);

        for seconds in [1, 2, 4, 5, 5] {
            advance(Duration::from_millis(seconds * 1_000 - 1)).await;
            assert!(breaker.admit(true).is_err() && !breaker.awaits_probe(), "{seconds}");
            advance(Duration::from_millis(1)).await;
            assert!(breaker.admit(false).is_err() && breaker.awaits_probe(), "no write is the probe");
            let probe = breaker.admit(true).expect("one read");
            assert!(breaker.admit(true).is_err() && breaker.admit(false).is_err(), "no second probe");
            assert!(!breaker.awaits_probe());
            probe.record_failure();
        }
        advance(SECOND * 5).await;
        breaker.admit(true).expect("one read").record_success();

        assert!(breaker.admit(false).is_ok() && !breaker.awaits_probe());
        let changes = changes.lock();
        assert_eq!(
            (changes.len(), changes.first(), changes.last()),
            (13, Some(&BreakerState::Open), Some(&BreakerState::Closed))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn abandoned_probe_admits_another_one() {
        let (breaker, _) = breaker();
        fail(&breaker, 20);
        advance(SECOND).await;

        drop(breaker.admit(true).expect("one read"));

        assert!(breaker.awaits_probe());
        breaker.admit(true).expect("another").record_success();
        assert!(breaker.admit(true).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn late_success_does_not_close_it() {
        let (breaker, _) = breaker();
        let early = breaker.admit(true).expect("closed");
        fail(&breaker, 20);

        early.record_success();

        assert!(breaker.admit(true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn disabled_breaker_never_opens() {
        let breaker = CircuitBreaker::new(BreakerSettings { enabled: false, ..BreakerSettings::default() }, |_| ());

        fail(&breaker, 1_000);

        assert!(breaker.admit(false).is_ok());
    }
}

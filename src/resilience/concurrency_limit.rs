//! How many calls may be on their way at once.
//!
//! A quarter of the places is closed to reads, so that a write does not wait behind a crowd that only looks. Lists last as long
//! as their readers take, so they get at most half of what reads may have. Who waits is served in turn, and sent away as soon
//! as a call of the usual length can no longer end in time: late answers are work for nobody.
//!
//! What is usual is learnt from calls that ended. One that was cut off would have taken longer than it did, and is counted so:
//! else, when calls become slower, all get their place when there is too little time left, are cut off, and seem to be fast.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// It looks at many things, and takes as long as whoever reads about them.
    List,
    /// It looks.
    Read,
    /// It looks, and something is changed or not by what is there.
    WriteRelatedRead,
    /// It changes something.
    Write,
}

/// Places for calls. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimit {
    all: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    lists: Arc<Semaphore>,
    usual: LatencyEwma,
}

/// A place; it is free again when this goes.
#[derive(Debug)]
pub struct ConcurrencyPermit {
    _permits: SemaphorePermits,
    usual: LatencyEwma,
    since: Instant,
    /// The time from when it was asked for to its deadline.
    whole: Duration,
}

#[derive(Debug)]
struct SemaphorePermits {
    _list: Option<OwnedSemaphorePermit>,
    _read: Option<OwnedSemaphorePermit>,
    _any: OwnedSemaphorePermit,
}

impl ConcurrencyLimit {
    /// So many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let places = places.max(1);
        let reads = places - places / 4;
        let of = |places: usize| Arc::new(Semaphore::new(places));
        Self { all: of(places), reads: of(reads), lists: of((reads / 2).max(1)), usual: LatencyEwma::default() }
    }

    /// Waits for a place, for a call that must end before the deadline. `None` when it could not.
    pub async fn acquire(&self, what: Priority, deadline: Instant) -> Option<ConcurrencyPermit> {
        let asked = Instant::now();
        let mut places = pin!(self.acquire_permits(what));
        let whole = deadline.duration_since(asked);
        let free = places.as_mut().now_or_never();
        // A free place is taken without looking at the clock: the usual may be wrong, and who is turned away teaches nothing.
        let is_free = free.is_some();
        let places = match free {
            Some(free) => free?,
            None => timeout_at(asked + whole.saturating_sub(self.usual.expected_service_time()), places).await.ok()??,
        };
        let since = Instant::now();
        // Another time may be usual by now.
        let is_in_time = is_free || since + self.usual.expected_service_time() <= deadline;
        is_in_time.then(|| ConcurrencyPermit { _permits: places, usual: self.usual.clone(), since, whole })
    }

    async fn acquire_permits(&self, what: Priority) -> Option<SemaphorePermits> {
        let (is_list, is_read) = match what {
            Priority::List => (true, true),
            Priority::Read => (false, true),
            Priority::WriteRelatedRead | Priority::Write => (false, false),
        };
        let place = async |of: &Arc<Semaphore>| Arc::clone(of).acquire_owned().await.ok();
        Some(SemaphorePermits {
            _list: if is_list { Some(place(&self.lists).await?) } else { None },
            _read: if is_read { Some(place(&self.reads).await?) } else { None },
            _any: place(&self.all).await?,
        })
    }
}

impl ConcurrencyPermit {
    /// Notes that the call has ended, and with it how long calls usually take.
    pub(super) fn record_completed(&self) {
        self.usual.record(self.since.elapsed());
    }

    /// Notes that the call was cut off at its deadline. It would have taken twice the usual time, or all that it had from the
    /// beginning; that is at least as much as is usual.
    pub(super) fn record_timeout(&self) {
        let usual = self.usual.get();
        let longer = usual.saturating_mul(2).min(self.whole.max(usual));
        self.usual.record(self.since.elapsed().max(longer));
    }

    /// Whether the call has had, since it has its place, as much time as one may be expected to take: twice what is usual, or
    /// half of the longest that calls get.
    pub(super) fn had_fair_time(&self) -> bool {
        let usual = self.usual.get();
        self.since.elapsed() >= usual.saturating_mul(2).min(self.whole.max(usual) / 2)
    }
}

/// How long a call usually takes, in microseconds: an average in which each counts for an eighth.
#[derive(Debug, Clone, Default)]
struct LatencyEwma(Arc<AtomicU64>);

impl LatencyEwma {
    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// What is enough for most calls.
    fn expected_service_time(&self) -> Duration {
        self.get() * 5 / 4
    }

    fn record(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let usual = self.0.load(Ordering::Relaxed);
        self.0.store(usual - usual / 8 + time / 8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_quarter_of_the_places_is_closed_to_reads() {
        for (places, reads) in [(1, 1), (3, 3), (4, 3), (64, 48)] {
            let limit = ConcurrencyLimit::new(places);
            let mut taken = Vec::new();
            while let Some(Some(permit)) = limit.acquire(Priority::Read, soon()).now_or_never() {
                taken.push(permit);
            }
            assert_eq!(taken.len(), reads);
            while let Some(Some(permit)) = limit.acquire(Priority::Write, soon()).now_or_never() {
                taken.push(permit);
            }
            assert_eq!(taken.len(), places);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lists_get_half_of_what_reads_may_have_and_reads_for_a_write_what_writes_have() {
        for (places, lists, reads) in [(1, 1, 0), (4, 1, 2), (16, 6, 6)] {
            let limit = ConcurrencyLimit::new(places);
            let mut taken = Vec::new();
            for (what, count) in
                [(Priority::List, lists), (Priority::Read, reads), (Priority::WriteRelatedRead, places - lists - reads)]
            {
                for _ in 0..count {
                    taken.push(limit.acquire(what, soon()).now_or_never().flatten().expect("a place"));
                }
                assert!(limit.acquire(what, soon()).now_or_never().is_none(), "{what:?} of {places}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_place_that_becomes_free() {
        let limit = ConcurrencyLimit::new(1);
        let first = limit.acquire(Priority::Read, soon()).await.expect("a place");
        let mut second = Box::pin(limit.acquire(Priority::Write, soon()));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert!(second.await.is_some());
    }

    /// A limit of one place whose calls usually take 400 ms.
    async fn used() -> ConcurrencyLimit {
        let limit = ConcurrencyLimit::new(1);
        for _ in 0..100 {
            let call = limit.acquire(Priority::Read, soon()).await.expect("a place");
            advance(Duration::from_millis(400)).await;
            call.record_completed();
        }
        limit
    }

    /// After how many milliseconds a call that must end within a second is sent away.
    async fn patience(limit: &ConcurrencyLimit) -> u128 {
        let _held = limit.acquire(Priority::Read, soon()).await.expect("a place");
        let began = Instant::now();
        assert!(limit.acquire(Priority::Read, soon()).await.is_none());
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_no_longer_be_in_time_is_sent_away() {
        let waited = patience(&used().await).await;
        assert!((500..520).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_cut_off_is_taken_for_a_longer_one() {
        for (time, expected) in [(100, 500..520), (900, 0..20)] {
            let limit = used().await;
            for _ in 0..20 {
                let deadline = Instant::now() + Duration::from_millis(time);
                let call = limit.acquire(Priority::Read, deadline).await.expect("a place");
                advance(Duration::from_millis(time)).await;
                call.record_timeout();
            }
            let waited = patience(&limit).await;
            assert!(expected.contains(&waited), "{waited} after {time}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_a_place_too_late_gives_it_to_the_next() {
        let limit = used().await;
        let held = limit.acquire(Priority::Read, soon()).await.expect("a place");
        let early = limit.acquire(Priority::Read, soon());
        let late = async {
            advance(Duration::from_millis(450)).await;
            let late = limit.acquire(Priority::Read, soon());
            // Calls take longer now.
            (0..20).for_each(|_| limit.usual.record(Duration::from_millis(700)));
            drop(held);
            late.await
        };
        let (early, late) = tokio::join!(early, late);
        assert!(early.is_none() && late.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_no_place() {
        let limit = ConcurrencyLimit::new(1);
        let first = limit.acquire(Priority::Read, soon()).await.expect("a place");
        drop(Box::pin(limit.acquire(Priority::Read, soon())));
        assert!(limit.acquire(Priority::Read, Instant::now()).await.is_none());
        drop(first);
        assert!(limit.acquire(Priority::Read, soon()).await.is_some());
    }

    /// The clock goes on while a place is taken, as it does outside of tests.
    #[tokio::test]
    async fn a_free_place_is_had_however_long_calls_usually_take() {
        let limit = ConcurrencyLimit::new(4);
        limit.usual.record(Duration::from_mins(1));
        for what in [Priority::Read, Priority::List, Priority::WriteRelatedRead, Priority::Write] {
            assert!(limit.acquire(what, Instant::now() + Duration::from_secs(1)).await.is_some(), "{what:?}");
        }
    }
}

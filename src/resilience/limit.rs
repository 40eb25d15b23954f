//! How many calls may be on their way at once.
//!
//! A quarter of the places is closed to reads, so that a write does not wait behind a crowd that only looks. Who waits is
//! served in turn, and sent away as soon as a call of the usual length can no longer end in time: late answers are work for
//! nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Places for calls. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Limit {
    all: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// How long a call usually takes, in microseconds.
    usual: Arc<AtomicU64>,
}

/// A place; it is free again when this goes.
#[derive(Debug)]
pub struct Permit {
    _all: OwnedSemaphorePermit,
    _read: Option<OwnedSemaphorePermit>,
    usual: Arc<AtomicU64>,
    since: Instant,
}

impl Limit {
    /// So many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let places = places.max(1);
        Self {
            all: Arc::new(Semaphore::new(places)),
            reads: Arc::new(Semaphore::new(places - places / 4)),
            usual: Arc::default(),
        }
    }

    /// Waits for a place, for a call that must end before the deadline. `None` when it could not.
    pub async fn place(&self, is_read: bool, deadline: Instant) -> Option<Permit> {
        let usual = Duration::from_micros(self.usual.load(Ordering::Relaxed));
        let latest = deadline.checked_sub(usual)?;
        let places = async {
            let read = if is_read { Some(Arc::clone(&self.reads).acquire_owned().await.ok()?) } else { None };
            let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Permit { _all: all, _read: read, usual: Arc::clone(&self.usual), since: Instant::now() })
        };
        // A free place is taken without looking at the clock: the usual may be wrong.
        timeout_at(latest, places).await.ok().flatten()
    }
}

impl Permit {
    /// Notes that the call has ended, and with it how long calls usually take: an average in which each counts for an eighth.
    pub fn ended(&self) {
        let time = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let usual = self.usual.load(Ordering::Relaxed);
        self.usual.store(usual - usual / 8 + time / 8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_quarter_of_the_places_is_closed_to_reads() {
        for (places, reads) in [(1, 1), (3, 3), (4, 3), (64, 48)] {
            let limit = Limit::new(places);
            let mut taken = Vec::new();
            while let Some(Some(permit)) = limit.place(true, soon()).now_or_never() {
                taken.push(permit);
            }
            assert_eq!(taken.len(), reads);
            while let Some(Some(permit)) = limit.place(false, soon()).now_or_never() {
                taken.push(permit);
            }
            assert_eq!(taken.len(), places);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_place_that_becomes_free() {
        let limit = Limit::new(1);
        let first = limit.place(true, soon()).await.expect("a place");
        let mut second = Box::pin(limit.place(false, soon()));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert!(second.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_no_longer_be_in_time_is_sent_away() {
        let limit = Limit::new(1);
        for _ in 0..100 {
            let call = limit.place(true, soon()).await.expect("a place");
            advance(Duration::from_millis(400)).await;
            call.ended();
        }
        let _held = limit.place(true, soon()).await.expect("a place");
        let began = Instant::now();
        assert!(limit.place(true, soon()).await.is_none());
        let waited = began.elapsed().as_millis();
        assert!((600..620).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_no_place() {
        let limit = Limit::new(1);
        let first = limit.place(true, soon()).await.expect("a place");
        drop(Box::pin(limit.place(true, soon())));
        assert!(limit.place(true, Instant::now()).await.is_none());
        drop(first);
        assert!(limit.place(true, soon()).await.is_some());
    }
}

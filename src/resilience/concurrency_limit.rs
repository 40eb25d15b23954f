//! Concurrency limit of one upstream: a priority semaphore that sheds load by expected latency.
//!
//! # Priorities
//!
//! A quarter of the permits is reserved for writes, so that a write does not queue behind a crowd of reads. Lists may hold at
//! most half of the rest, because a list holds its permit for as long as its client reads. Three nested FIFO semaphores:
//!
//! | Priority | Semaphores | Permits of 64 |
//! | --- | --- | --- |
//! | write, read for a write | `all` | 64 |
//! | read | `reads`, `all` | 48 |
//! | list | `lists`, `reads`, `all` | 24 |
//!
//! One client may hold at most half of the permits for lists, and at least one, so that slow readers of one client cannot take
//! all lists from the others. Its next list waits in a queue of its own, where it holds no permit.
//!
//! # Load shedding
//!
//! Waiters are served FIFO and rejected once their remaining time is below the expected service time. Without that, an overload
//! of a few seconds becomes a collapse: every call gets its permit too late, times out, and wastes the permit that the next
//! call waits for.
//!
//! Expected latency is an EWMA of completed calls. A timed-out call is recorded above its measured time; otherwise timeouts
//! would make a slow upstream look fast: the less time calls have left when they get their permit, the sooner they time out.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// What a call is for; it decides which permits the call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A read of many orders or customers, as long as its client reads.
    List,
    /// A read of one order or customer.
    Read,
    /// A read on which a write depends: a preflight read or a read-back. Not a plain read, or reads would block writes.
    WriteRelatedRead,
    /// A write.
    Write,
}

/// A number of concurrent calls. Clones share state.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimit {
    all: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    lists: Arc<Semaphore>,
    shares: ListShares,
    latency: LatencyEwma,
}

/// The shares of the clients that have lists, by client. Clones share state.
#[derive(Debug, Clone)]
struct ListShares {
    permits: usize,
    clients: Arc<Mutex<HashMap<Arc<str>, Weak<Semaphore>>>>,
}

/// Permission for one call; released on drop.
#[derive(Debug)]
pub struct ConcurrencyPermit {
    _permits: SemaphorePermits,
    latency: LatencyEwma,
    acquired_at: Instant,
    /// The time from the request for this permit to the deadline of the call: queueing and service together.
    time_budget: Duration,
}

#[derive(Debug)]
struct SemaphorePermits {
    _share: Option<OwnedSemaphorePermit>,
    _list: Option<OwnedSemaphorePermit>,
    _read: Option<OwnedSemaphorePermit>,
    _any: OwnedSemaphorePermit,
}

impl ConcurrencyLimit {
    /// A limit of `permits` concurrent calls, at least one.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        let all = permits.max(1);
        let reads = all - all / 4;
        let lists = Self::lists_of(permits);
        let shares = ListShares { permits: (lists / 2).max(1), clients: Arc::default() };
        let [all, reads, lists] = [all, reads, lists].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { all, reads, lists, shares, latency: LatencyEwma::default() }
    }

    /// The number of lists that a limit of `permits` concurrent calls lets through at once.
    #[must_use]
    pub fn lists_of(permits: usize) -> usize {
        let all = permits.max(1);
        ((all - all / 4) / 2).max(1)
    }

    /// Waits for a permit for a call that must end before `deadline`; a list counts towards the share of `client`. `None` when
    /// the call could not end in time any more.
    pub async fn acquire(&self, priority: Priority, client: Option<&Arc<str>>, deadline: Instant) -> Option<ConcurrencyPermit> {
        let requested_at = Instant::now();
        let time_budget = deadline.duration_since(requested_at);
        let mut acquiring = pin!(self.acquire_permits(priority, client));
        let (permits, was_free) = if let Some(permits) = acquiring.as_mut().now_or_never() {
            // Never shed while a permit is free: the estimate may be wrong, and only completed calls correct it.
            (permits, true)
        } else {
            let latest_start = requested_at + time_budget.saturating_sub(self.latency.expected_service_time());
            (timeout_at(latest_start, acquiring).await.ok()?, false)
        };
        let acquired_at = Instant::now();
        // The estimate may have risen while this call waited. Its permit goes to the next waiter, who may have more time.
        let is_too_late = acquired_at + self.latency.expected_service_time() > deadline;
        if is_too_late && !was_free {
            return None;
        }
        Some(ConcurrencyPermit { _permits: permits, latency: self.latency.clone(), acquired_at, time_budget })
    }

    async fn acquire_permits(&self, priority: Priority, client: Option<&Arc<str>>) -> SemaphorePermits {
        let (is_list, is_read) = match priority {
            Priority::List => (true, true),
            Priority::Read => (false, true),
            Priority::WriteRelatedRead | Priority::Write => (false, false),
        };
        // From the narrowest to the widest: a list that waits for `lists` holds no permit that a read could use.
        SemaphorePermits {
            _share: match client.filter(|_| is_list) {
                Some(client) => Some(acquire(&self.shares.of(client)).await),
                None => None,
            },
            _list: if is_list { Some(acquire(&self.lists).await) } else { None },
            _read: if is_read { Some(acquire(&self.reads).await) } else { None },
            _any: acquire(&self.all).await,
        }
    }
}

impl ListShares {
    /// The share of a client. It is kept for as long as the client has a list, or waits for one.
    fn of(&self, client: &Arc<str>) -> Arc<Semaphore> {
        let mut clients = self.clients.lock();
        if let Some(share) = clients.get(client).and_then(Weak::upgrade) {
            return share;
        }
        clients.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.permits));
        clients.insert(Arc::clone(client), Arc::downgrade(&share));
        share
    }
}

#[expect(clippy::expect_used, reason = "acquiring fails only after `Semaphore::close`, which this module never calls")]
async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("the semaphore is never closed")
}

impl ConcurrencyPermit {
    /// Records the latency of a call that has ended.
    pub(super) fn record_completed(&self) {
        self.latency.record(self.acquired_at.elapsed());
    }

    /// Records a call that timed out. How long it would have taken is unknown, so twice the expected latency is assumed, or the
    /// whole time budget if that is less, and never less than what is expected already or was measured.
    pub(super) fn record_timeout(&self) {
        let expected = self.latency.get();
        let assumed = expected.saturating_mul(2).min(self.time_budget.max(expected));
        self.latency.record(self.acquired_at.elapsed().max(assumed));
    }

    /// Whether the call has had as much time since it got its permit as a call may be expected to need: twice the expected
    /// latency, or half of the time budget if that is less. If not, its timeout is the queue's fault and not the upstream's.
    pub(super) fn had_fair_time(&self) -> bool {
        let expected = self.latency.get();
        self.acquired_at.elapsed() >= expected.saturating_mul(2).min(self.time_budget.max(expected) / 2)
    }
}

/// Exponentially weighted moving average of latencies, in microseconds, with a weight of 1/8. Clones share state.
#[derive(Debug, Clone, Default)]
struct LatencyEwma(Arc<AtomicU64>);

impl LatencyEwma {
    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// The average plus a quarter, which is enough for most calls.
    fn expected_service_time(&self) -> Duration {
        self.get() * 5 / 4
    }

    fn record(&self, latency: Duration) {
        let sample = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let average = self.0.load(Ordering::Relaxed);
        // Two threads may overwrite each other's sample; an average can bear the loss of one.
        self.0.store(average - average / 8 + sample / 8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn in_one_second() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    /// A permit that is free now.
    fn free_permit(limit: &ConcurrencyLimit, priority: Priority) -> Option<ConcurrencyPermit> {
        limit.acquire(priority, None, in_one_second()).now_or_never().flatten()
    }

    /// Takes all permits that are free for this priority.
    fn take_all(limit: &ConcurrencyLimit, priority: Priority) -> Vec<ConcurrencyPermit> {
        std::iter::from_fn(|| free_permit(limit, priority)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn quarter_of_the_permits_is_reserved_for_writes() {
        for (permits, reads) in [(1, 1), (3, 3), (4, 3), (64, 48)] {
            let limit = ConcurrencyLimit::new(permits);

            let held_by_reads = take_all(&limit, Priority::Read);
            let held_by_writes = take_all(&limit, Priority::Write);

            assert_eq!((held_by_reads.len(), held_by_writes.len()), (reads, permits - reads));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lists_use_half_the_read_permits() {
        for (permits, lists, reads) in [(1, 1, 0), (4, 1, 2), (16, 6, 6)] {
            let limit = ConcurrencyLimit::new(permits);

            let held_by_lists = take_all(&limit, Priority::List);
            let held_by_reads = take_all(&limit, Priority::Read);

            assert_eq!((held_by_lists.len(), held_by_reads.len()), (lists, reads), "of {permits}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn client_holds_at_most_half_of_the_lists() {
        for (permits, share, lists) in [(1, 1, 1), (4, 1, 1), (8, 1, 3), (16, 3, 6)] {
            let limit = ConcurrencyLimit::new(permits);
            let [one, other, third] = ["one", "other", "third"].map(Arc::<str>::from);
            let list_of = |client| limit.acquire(Priority::List, Some(client), in_one_second()).now_or_never().flatten();
            let all_of = |client| std::iter::from_fn(|| list_of(client)).collect::<Vec<_>>();

            let held = all_of(&one);
            let others = all_of(&other).len();
            assert_eq!((held.len(), others), (share, share.min(lists - share)), "of {permits}");
            assert!(list_of(&one).is_none());

            drop(held);
            let counts = [&one, &third].map(|client| all_of(client).len());
            assert_eq!(counts, [share, share], "of {permits}");
            assert_eq!(limit.shares.clients.lock().len(), 1, "clients without lists are forgotten");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn list_beyond_the_share_waits_without_a_permit() {
        let limit = ConcurrencyLimit::new(16);
        let client: Arc<str> = "client".into();
        let list_of = |deadline| limit.acquire(Priority::List, Some(&client), deadline);
        let mut held = vec![];
        while let Some(permit) = list_of(in_one_second()).now_or_never().flatten() {
            held.push(permit);
        }

        let waiting = list_of(in_one_second());
        let others = async {
            let others = take_all(&limit, Priority::List).len();
            held.pop();
            others
        };
        let (waited, others) = tokio::join!(waiting, others);

        assert!(waited.is_some(), "it gets what its own client releases");
        assert_eq!(others, 3, "of 6 lists");
        assert!(list_of(in_one_second()).await.is_none(), "its deadline passes");
    }

    #[tokio::test(start_paused = true)]
    async fn preflight_reads_use_write_permits() {
        for (permits, reserved) in [(1, 0), (4, 1), (16, 4)] {
            let limit = ConcurrencyLimit::new(permits);
            let _reads = take_all(&limit, Priority::Read);

            let held = take_all(&limit, Priority::WriteRelatedRead);

            assert_eq!(held.len(), reserved, "of {permits}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiter_gets_the_released_permit() {
        let limit = ConcurrencyLimit::new(1);
        let first = free_permit(&limit, Priority::Read).expect("a permit");
        let mut second = Box::pin(limit.acquire(Priority::Write, None, in_one_second()));
        assert!((&mut second).now_or_never().is_none());

        drop(first);

        assert!(second.await.is_some());
    }

    /// A limit of one permit whose calls take 400 ms.
    async fn with_known_latency() -> ConcurrencyLimit {
        let limit = ConcurrencyLimit::new(1);
        for _ in 0..100 {
            let call = free_permit(&limit, Priority::Read).expect("a permit");
            advance(Duration::from_millis(400)).await;
            call.record_completed();
        }
        limit
    }

    /// After how many milliseconds in the queue a call with a deadline in one second is rejected.
    async fn rejected_after(limit: &ConcurrencyLimit) -> u128 {
        let _held = free_permit(limit, Priority::Read).expect("a permit");
        let began = Instant::now();
        assert!(limit.acquire(Priority::Read, None, in_one_second()).await.is_none());
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn waiter_is_rejected_when_it_cannot_end_in_time() {
        let limit = with_known_latency().await;

        let waited = rejected_after(&limit).await;

        assert!((500..520).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn timeouts_raise_the_expected_latency() {
        for (timeout, expected) in [(100, 500..520), (900, 0..20)] {
            let limit = with_known_latency().await;

            for _ in 0..20 {
                let deadline = Instant::now() + Duration::from_millis(timeout);
                let call = limit.acquire(Priority::Read, None, deadline).await.expect("a permit");
                advance(Duration::from_millis(timeout)).await;
                call.record_timeout();
            }

            let waited = rejected_after(&limit).await;
            assert!(expected.contains(&waited), "{waited} after {timeout}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn permit_that_comes_too_late_goes_to_the_next_waiter() {
        let limit = with_known_latency().await;
        let held = free_permit(&limit, Priority::Read).expect("a permit");

        let early = limit.acquire(Priority::Read, None, in_one_second());
        let late = async {
            advance(Duration::from_millis(450)).await;
            let late = limit.acquire(Priority::Read, None, in_one_second());
            // Calls take longer now.
            (0..20).for_each(|_| limit.latency.record(Duration::from_millis(700)));
            drop(held);
            late.await
        };
        let (early, late) = tokio::join!(early, late);

        assert!(early.is_none() && late.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_waiter_takes_no_permit() {
        let limit = ConcurrencyLimit::new(1);
        let first = free_permit(&limit, Priority::Read).expect("a permit");

        drop(Box::pin(limit.acquire(Priority::Read, None, in_one_second())));

        assert!(limit.acquire(Priority::Read, None, Instant::now()).await.is_none());
        drop(first);
        assert!(free_permit(&limit, Priority::Read).is_some());
    }

    /// On the real clock, which goes on while a permit is acquired.
    #[tokio::test]
    async fn free_permit_is_never_shed() {
        let limit = ConcurrencyLimit::new(4);

        limit.latency.record(Duration::from_mins(1));

        for priority in [Priority::Read, Priority::List, Priority::WriteRelatedRead, Priority::Write] {
            assert!(limit.acquire(priority, None, in_one_second()).await.is_some(), "{priority:?}");
        }
    }
}

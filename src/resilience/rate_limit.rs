//! So many requests a second from each.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// A bucket of tokens for each key: a second's worth may come at once.
pub struct RateLimit<K: Clone + Eq + Hash> {
    buckets: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    asked: AtomicU32,
}

/// After how many requests buckets that are full again are forgotten.
const SWEEP: u32 = 4_096;

impl<K: Clone + Eq + Hash> RateLimit<K> {
    /// So many requests a second for each key.
    #[must_use]
    pub fn new(a_second: NonZeroU32) -> Self {
        Self {
            buckets: RateLimiter::keyed(Quota::per_second(a_second)),
            clock: DefaultClock::default(),
            asked: AtomicU32::new(0),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// When there is none: the time until there is.
    pub fn acquire(&self, key: &K) -> Result<(), Duration> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.buckets.retain_recent();
            self.buckets.shrink_to_fit();
        }
        self.buckets.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl<K: Clone + Eq + Hash> std::fmt::Debug for RateLimit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} buckets", self.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_may_come_at_once_from_each() {
        let rate = RateLimit::new(NonZeroU32::new(5).unwrap());
        for client in ["a", "b"] {
            assert!((0..5).all(|_| rate.acquire(&client).is_ok()));
            let wait = rate.acquire(&client).expect_err("the bucket is empty");
            assert!(wait <= Duration::from_millis(200), "{wait:?}");
        }
    }
}

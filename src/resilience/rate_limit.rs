//! Rate limit per key: a token bucket for each client.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// A token bucket for each key. The burst size is one second's worth.
pub struct RateLimit<K: Clone + Eq + Hash> {
    buckets: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    requests: AtomicU32,
}

/// Every how many requests full buckets are removed. Without that, the table grows with every address that ever called.
const SWEEP_INTERVAL: u32 = 4_096;

impl<K: Clone + Eq + Hash> RateLimit<K> {
    /// Allows this many requests per second for each key.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        Self {
            buckets: RateLimiter::keyed(Quota::per_second(per_second)),
            clock: DefaultClock::default(),
            requests: AtomicU32::new(0),
        }
    }

    /// Takes a token from the bucket of `key`.
    ///
    /// # Errors
    /// When the bucket is empty: the time until it has a token.
    pub fn acquire(&self, key: &K) -> Result<(), Duration> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % SWEEP_INTERVAL == SWEEP_INTERVAL - 1 {
            self.buckets.retain_recent();
            self.buckets.shrink_to_fit();
        }
        self.buckets.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for RateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys are addresses of clients, which debug output must not show.
        write!(f, "RateLimit({} buckets)", self.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_burst_of_one_second() {
        let rate_limit = RateLimit::new(NonZeroU32::new(5).unwrap());

        for client in ["a", "b"] {
            assert!((0..5).all(|_| rate_limit.acquire(&client).is_ok()));
            let wait = rate_limit.acquire(&client).expect_err("the bucket is empty");
            assert!(wait <= Duration::from_millis(200), "{wait:?}");
        }
    }
}

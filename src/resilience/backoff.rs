//! Exponential backoff with full jitter: the delay before a retry.

use std::time::Duration;

/// The upper bound of the first delay.
const BASE: Duration = Duration::from_millis(100);
/// The upper bound of all delays.
const MAX: Duration = Duration::from_secs(2);

/// A random delay before retry number `retry`, from 0: uniform between zero and [`max_delay`], so that calls that failed
/// together do not return together.
#[must_use]
pub fn jittered(retry: u32) -> Duration {
    max_delay(retry).mul_f64(rand::random::<f64>())
}

/// The longest delay before retry number `retry`, from 0: 100 ms, doubled for each retry, at most 2 s.
#[must_use]
pub fn max_delay(retry: u32) -> Duration {
    BASE.saturating_mul(2_u32.saturating_pow(retry)).min(MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn max_delay_doubles_up_to_two_seconds() {
        let delays: Vec<u128> = [0, 1, 2, 4, 5, 99].into_iter().map(|retry| max_delay(retry).as_millis()).collect();

        assert_eq!(delays, [100, 200, 400, 1600, 2000, 2000]);
    }

    #[test]
    fn delays_differ_and_stay_below_the_maximum() {
        let delays: HashSet<Duration> = (0..100).map(|_| jittered(3)).collect();

        assert!(delays.len() > 90);
        assert!(delays.into_iter().all(|delay| delay <= max_delay(3)));
    }
}

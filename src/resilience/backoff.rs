//! How long to wait before something is tried again.

use std::time::Duration;

/// The longest pause that is our own choice.
const LONGEST: Duration = Duration::from_secs(2);
/// The longest first pause.
const FIRST: Duration = Duration::from_millis(100);

/// A pause before retry number `retry`, from 0: any time from none to a longest one that doubles, so that those who failed
/// together do not come back together.
#[must_use]
pub fn jittered(retry: u32) -> Duration {
    max_delay(retry).mul_f64(rand::random::<f64>())
}

/// The longest pause before retry number `retry`, from 0.
#[must_use]
pub fn max_delay(retry: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(retry)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_doubles_up_to_two_seconds() {
        let longest: Vec<u128> = [0, 1, 2, 4, 5, 99].into_iter().map(|retry| max_delay(retry).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 1600, 2000, 2000]);
        assert!((0..1000).all(|_| jittered(1) <= Duration::from_millis(200)));
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::HashSet<Duration> = (0..100).map(|_| jittered(3)).collect();
        assert!(pauses.len() > 90);
    }
}

//! Retry budget: retries are at most a tenth of recent first attempts, plus one per second.
//!
//! Without a budget, retries multiply the load on an upstream that is already failing.

use std::fmt;
use std::time::Duration;

use tower::retry::budget::{Budget as _, TpsBudget};

/// A bucket of tokens that first attempts fill and retries drain. It starts with ten tokens, so that the first failures after
/// a start are retried.
pub struct RetryBudget(TpsBudget);

impl RetryBudget {
    /// How long a deposit stays in the bucket.
    const TTL: Duration = Duration::from_secs(10);
    /// Retries per second that need no deposit.
    const MIN_PER_SECOND: u32 = 1;
    /// How many retries one first attempt pays for.
    const RETRY_RATIO: f32 = 0.1;

    /// Records a first attempt. Retries deposit nothing, or they would pay for each other.
    pub fn deposit(&self) {
        self.0.deposit();
    }

    /// Pays for one retry. `false` when the budget is exhausted.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.0.withdraw()
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self(TpsBudget::new(Self::TTL, Self::MIN_PER_SECOND, Self::RETRY_RATIO))
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryBudget")
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn drain(budget: &RetryBudget) -> usize {
        (0..10_000).take_while(|_| budget.withdraw()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn reserve_is_ten_retries_and_refills() {
        let budget = RetryBudget::default();
        assert_eq!(drain(&budget), 10);

        advance(RetryBudget::TTL + Duration::from_secs(2)).await;

        assert_eq!(drain(&budget), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_first_attempts_pay_for_one_retry() {
        let budget = RetryBudget::default();

        (0..1_000).for_each(|_| budget.deposit());

        assert_eq!(drain(&budget), 110);
    }
}

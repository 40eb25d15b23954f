//! How much may be sent again: a tenth of what was sent lately, and one a second.

use std::fmt;
use std::time::Duration;

use tower::retry::budget::{Budget as _, TpsBudget};

/// Pays for retries. It starts full: ten may be sent again before anything was sent.
pub struct RetryBudget(TpsBudget);

impl RetryBudget {
    /// What "lately" means.
    const WINDOW: Duration = Duration::from_secs(10);
    /// How many a second may be sent again in any case.
    const MIN_PER_SECOND: u32 = 1;
    /// Which share of what was sent may be sent again.
    const RETRY_RATIO: f32 = 0.1;

    /// Pays in for a call.
    pub fn deposit(&self) {
        self.0.deposit();
    }

    /// Pays for a retry, if there is enough.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.0.withdraw()
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self(TpsBudget::new(Self::WINDOW, Self::MIN_PER_SECOND, Self::RETRY_RATIO))
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn retries(budget: &RetryBudget) -> usize {
        (0..10_000).take_while(|_| budget.withdraw()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn ten_retries_are_there_from_the_beginning_and_come_back() {
        let budget = RetryBudget::default();
        assert_eq!(retries(&budget), 10);
        advance(RetryBudget::WINDOW + Duration::from_secs(2)).await;
        assert_eq!(retries(&budget), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn every_tenth_call_pays_for_one_more() {
        let budget = RetryBudget::default();
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!(retries(&budget), 110);
    }
}

//! Counts connections to an upstream that could not be made, and logs when the reason changes.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::cause::{Cause, ConnectError};
use super::error_chain;
use crate::metrics::UpstreamMetrics;

/// The failures of one upstream.
#[derive(Debug)]
pub(crate) struct ConnectLog {
    metrics: UpstreamMetrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the last line said; `None` if it was that connections succeed.
    logged: Option<Cause>,
    logged_at: Option<Instant>,
}

/// The least time between two lines.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

impl ConnectLog {
    pub(crate) fn new(metrics: UpstreamMetrics) -> Self {
        Self { metrics, state: Mutex::default() }
    }

    /// Counts a failure, and logs it unless the last line said the same.
    pub(super) fn failed(&self, error: &ConnectError) {
        self.metrics.connect_failure(error.cause.label());
        if !self.is_news(Some(error.cause)) {
            return;
        }
        let (upstream, cause, reason) = (self.metrics.name(), error.cause.label(), error_chain(&error.source));
        let address = error.address.map(|address| address.to_string()).unwrap_or_default();
        if error.cause.is_own() {
            tracing::error!(
                upstream,
                cause,
                address,
                error = reason,
                "no connection to the upstream: {}",
                error.cause.advice()
            );
        } else {
            tracing::warn!(upstream, cause, address, error = reason, "no connection to the upstream: {}", error.cause.advice());
        }
    }

    /// Logs that connections succeed again.
    pub(super) fn succeeded(&self) {
        if self.is_news(None) {
            tracing::info!(upstream = self.metrics.name(), "connections to the upstream succeed again");
        }
    }

    /// Whether a line is due, which is then recorded. A change that comes too soon after the last line is logged later, if it
    /// lasts.
    fn is_news(&self, now: Option<Cause>) -> bool {
        let mut state = self.state.lock();
        if state.logged == now || state.logged_at.is_some_and(|at| at.elapsed() < MIN_INTERVAL) {
            return false;
        }
        *state = State { logged: now, logged_at: Some(Instant::now()) };
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn only_changes_are_logged_and_at_most_once_a_second() {
        let log = ConnectLog::new(Metrics::default().upstream("default"));
        assert!(!log.is_news(None), "connections succeed at first");
        assert!(log.is_news(Some(Cause::Refused)));
        assert!(!log.is_news(Some(Cause::Refused)));
        assert!(!log.is_news(Some(Cause::Timeout)), "too soon");
        advance(MIN_INTERVAL).await;
        assert!(!log.is_news(Some(Cause::Refused)), "no change");
        assert!(log.is_news(Some(Cause::Timeout)));
        advance(MIN_INTERVAL).await;
        assert!(log.is_news(None));
        assert!(!log.is_news(None));
    }
}

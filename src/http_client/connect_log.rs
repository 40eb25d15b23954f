//! Counts connections that could not be made, and logs when the reason changes.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::cause::{Cause, ConnectError};
use super::error_chain;
use crate::metrics::{Metrics, UpstreamMetrics};

/// The failures of one server.
#[derive(Debug)]
pub(crate) struct ConnectLog {
    server: Server,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Server {
    Upstream(UpstreamMetrics),
    Issuer(Metrics),
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
    pub(crate) fn of_upstream(metrics: UpstreamMetrics) -> Self {
        Self { server: Server::Upstream(metrics), state: Mutex::default() }
    }

    pub(crate) fn of_issuer(metrics: Metrics) -> Self {
        Self { server: Server::Issuer(metrics), state: Mutex::default() }
    }

    /// Counts a failure, and logs it unless the last line said the same.
    pub(super) fn failed(&self, error: &ConnectError) {
        let (cause, advice) = (error.cause.label(), error.cause.advice());
        self.server.count(cause);
        if !self.is_news(Some(error.cause)) {
            return;
        }
        let (server, upstream) = (self.server.description(), self.server.upstream());
        let address = error.address.map(|address| address.to_string()).unwrap_or_default();
        let reason = error_chain(&error.source);
        if error.cause.is_own() {
            tracing::error!(upstream, cause, address, error = reason, "no connection to {server}: {advice}");
        } else {
            tracing::warn!(upstream, cause, address, error = reason, "no connection to {server}: {advice}");
        }
    }

    /// Logs that connections succeed again.
    pub(super) fn succeeded(&self) {
        if self.is_news(None) {
            let (server, upstream) = (self.server.description(), self.server.upstream());
            tracing::info!(upstream, "connections to {server} succeed again");
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

impl Server {
    fn count(&self, cause: &str) {
        match self {
            Self::Upstream(metrics) => metrics.connect_failure(cause),
            Self::Issuer(metrics) => metrics.issuer_connect_failure(cause),
        }
    }

    const fn description(&self) -> &'static str {
        match self {
            Self::Upstream(_) => "the upstream",
            Self::Issuer(_) => "the token issuer",
        }
    }

    /// The name of the upstream.
    fn upstream(&self) -> Option<&str> {
        match self {
            Self::Upstream(metrics) => Some(metrics.name()),
            Self::Issuer(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_changes_are_logged_and_at_most_once_a_second() {
        let log = ConnectLog::of_upstream(Metrics::default().upstream("default"));
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

//! Background task that reloads secrets, keys and certificates when their files change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::config::{Reload, ReloadOutcome};
use crate::metrics::Metrics;

/// The values that come from files.
#[derive(Debug)]
pub struct ReloadTask {
    values: Vec<WatchedValue>,
    metrics: Metrics,
    trigger: Arc<Notify>,
}

#[derive(Debug)]
struct WatchedValue {
    value: Box<dyn Reload>,
    /// The last outcome other than `Pending`, to log each rejection once and not at every poll.
    last: ReloadOutcome,
}

/// Reading a few small files costs next to nothing, and an operator who replaces a certificate waits for it.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

impl ReloadTask {
    /// Ignores values that do not come from files.
    pub(super) fn new(values: Vec<Box<dyn Reload>>, metrics: Metrics) -> Self {
        let values = values.into_iter().filter(|value| value.has_files());
        let values = values.map(|value| WatchedValue { value, last: ReloadOutcome::Unchanged }).collect();
        Self { values, metrics, trigger: Arc::default() }
    }

    /// When it is notified, the running task reads all files at once, and uses new contents without waiting for another poll.
    #[must_use]
    pub fn trigger(&self) -> Arc<Notify> {
        Arc::clone(&self.trigger)
    }

    /// Polls all files once, and logs what has changed since the last poll. Blocks while it reads.
    pub fn poll(&mut self) {
        for WatchedValue { value, last } in &mut self.values {
            let (key, outcome) = (value.key(), value.reload());
            if outcome == ReloadOutcome::Pending {
                // Whether the new contents can be used is not known before the next poll.
                continue;
            }
            self.metrics.file_is_usable(key, !matches!(outcome, ReloadOutcome::Rejected(_)));
            match &outcome {
                ReloadOutcome::Reloaded => tracing::info!(key, "a file was reloaded"),
                ReloadOutcome::Rejected(errors) if outcome != *last => {
                    let misfit = errors.to_line();
                    tracing::error!(key, misfit, "a file cannot be used; the previous value stays in use");
                }
                ReloadOutcome::Rejected(_) | ReloadOutcome::Pending | ReloadOutcome::Unchanged => {}
            }
            *last = outcome;
        }
    }

    /// Polls until the task is aborted.
    pub(super) async fn run(mut self) {
        let trigger = self.trigger();
        let mut polls = 1;
        loop {
            let poll = move || {
                (0..polls).for_each(|_| self.poll());
                self
            };
            // Off the threads of the runtime, which must not wait for a file. It fails only when the runtime shuts down.
            let Ok(task) = spawn_blocking(poll).await else { return };
            self = task;
            polls = tokio::select! {
                () = tokio::time::sleep(POLL_INTERVAL) => 1,
                () = trigger.notified() => 2,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::config::ConfigErrors;

    /// A value whose polls have these outcomes, one after the other.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<ReloadOutcome>>);

    impl Reload for Scripted {
        fn key(&self) -> &'static str {
            "server.secret"
        }

        fn has_files(&self) -> bool {
            true
        }

        fn reload(&self) -> ReloadOutcome {
            self.0.lock().remove(0)
        }
    }

    #[test]
    fn pending_contents_do_not_change_the_metric() {
        let rejected = || ReloadOutcome::Rejected(ConfigErrors::default());
        let outcomes = [
            (ReloadOutcome::Unchanged, 1),
            (ReloadOutcome::Pending, 1),
            (rejected(), 0),
            (ReloadOutcome::Pending, 0),
            (rejected(), 0),
            (ReloadOutcome::Pending, 0),
            (ReloadOutcome::Reloaded, 1),
        ];
        let metrics = Metrics::default();
        let scripted = Scripted(Mutex::new(outcomes.iter().map(|(outcome, _)| outcome.clone()).collect()));
        let mut task = ReloadTask::new(vec![Box::new(scripted)], metrics.clone());

        for (outcome, is_usable) in outcomes {
            task.poll();

            let text = String::from_utf8(metrics.render()).unwrap();
            let series = format!("config_file_usable{{key=\"server.secret\"}} {is_usable}");
            assert!(text.contains(&series), "{outcome:?}: {text}");
        }
    }
}

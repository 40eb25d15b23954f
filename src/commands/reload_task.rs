//! What is made of files stays what they hold.

use std::time::Duration;

use crate::config::{Reload, ReloadOutcome};
use crate::metrics::Metrics;

/// Values that are made of files, and what came of reading them last.
#[derive(Debug)]
pub struct ReloadTask {
    values: Vec<(Box<dyn Reload>, ReloadOutcome)>,
    metrics: Metrics,
}

impl ReloadTask {
    pub(super) fn new(values: Vec<Box<dyn Reload>>, metrics: Metrics) -> Self {
        Self {
            values: values
                .into_iter()
                .filter(|value| value.has_files())
                .map(|value| (value, ReloadOutcome::Unchanged))
                .collect(),
            metrics,
        }
    }

    /// Reads the files of all of them once, and says what has changed since the last time.
    pub fn look(&mut self) {
        for (value, last) in &mut self.values {
            let (key, reread) = (value.key(), value.reload());
            if reread == ReloadOutcome::Pending {
                // Whether it can be used is not known yet.
                continue;
            }
            self.metrics.file_is_usable(key, !matches!(reread, ReloadOutcome::Rejected(_)));
            match &reread {
                ReloadOutcome::Reloaded => tracing::info!(key, "a file was read anew"),
                ReloadOutcome::Rejected(misfit) if reread != *last => {
                    tracing::error!(key, misfit, "a file cannot be used; what was read before stays in use");
                }
                ReloadOutcome::Rejected(_) | ReloadOutcome::Pending | ReloadOutcome::Unchanged => {}
            }
            *last = reread;
        }
    }

    /// Goes on looking, for ever.
    pub(super) async fn run(mut self) {
        /// Looking costs next to nothing, and whoever swaps a certificate waits for it.
        const PAUSE: Duration = Duration::from_secs(1);
        loop {
            self.look();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Files of which the looks come to this, one after the other.
    #[derive(Debug)]
    struct Looks(Mutex<Vec<ReloadOutcome>>);

    impl Reload for Looks {
        fn key(&self) -> &'static str {
            "server.secret"
        }

        fn has_files(&self) -> bool {
            true
        }

        fn reload(&self) -> ReloadOutcome {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[test]
    fn what_is_new_does_not_make_a_file_usable_before_it_is_read() {
        let unusable = || ReloadOutcome::Rejected("it is empty".to_owned());
        let looks = [
            ReloadOutcome::Unchanged,
            ReloadOutcome::Pending,
            unusable(),
            ReloadOutcome::Pending,
            unusable(),
            ReloadOutcome::Pending,
            ReloadOutcome::Reloaded,
        ];
        let metrics = Metrics::default();
        let mut fresh = ReloadTask::new(vec![Box::new(Looks(Mutex::new(looks.to_vec())))], metrics.clone());
        for is_usable in [1, 1, 0, 0, 0, 0, 1] {
            fresh.look();
            let text = String::from_utf8(metrics.render()).unwrap();
            assert!(
                text.contains(&format!("config_file_usable{{key=\"server.secret\"}} {is_usable}")),
                "{is_usable} in {text}"
            );
        }
    }
}

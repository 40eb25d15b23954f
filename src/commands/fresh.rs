//! What is made of files stays what they hold.

use std::time::Duration;

use crate::config::{Reload, Reread};
use crate::metrics::Metrics;

/// Values that are made of files, and what came of reading them last.
#[derive(Debug)]
pub struct Fresh {
    values: Vec<(Box<dyn Reload>, Reread)>,
    metrics: Metrics,
}

impl Fresh {
    pub(super) fn new(values: Vec<Box<dyn Reload>>, metrics: Metrics) -> Self {
        Self {
            values: values.into_iter().filter(|value| value.has_files()).map(|value| (value, Reread::Same)).collect(),
            metrics,
        }
    }

    /// Reads the files of all of them once, and says what has changed since the last time.
    pub fn look(&mut self) {
        for (value, last) in &mut self.values {
            let (key, reread) = (value.key(), value.reread());
            self.metrics.file_is_usable(key, !matches!(reread, Reread::Unusable(_)));
            match &reread {
                Reread::Changed => tracing::info!(key, "a file was read anew"),
                Reread::Unusable(misfit) if reread != *last => {
                    tracing::error!(key, misfit, "a file cannot be used; what was read before stays in use");
                }
                Reread::Unusable(_) | Reread::Same => {}
            }
            *last = reread;
        }
    }

    /// Goes on looking, for ever.
    pub(super) async fn keep(mut self) {
        /// Looking costs next to nothing, and whoever swaps a certificate waits for it.
        const PAUSE: Duration = Duration::from_secs(1);
        loop {
            self.look();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

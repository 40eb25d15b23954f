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
            if reread == Reread::New {
                // Whether it can be used is not known yet.
                continue;
            }
            self.metrics.file_is_usable(key, !matches!(reread, Reread::Unusable(_)));
            match &reread {
                Reread::Changed => tracing::info!(key, "a file was read anew"),
                Reread::Unusable(misfit) if reread != *last => {
                    tracing::error!(key, misfit, "a file cannot be used; what was read before stays in use");
                }
                Reread::Unusable(_) | Reread::New | Reread::Same => {}
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Files of which the looks come to this, one after the other.
    #[derive(Debug)]
    struct Looks(Mutex<Vec<Reread>>);

    impl Reload for Looks {
        fn key(&self) -> &'static str {
            "server.secret"
        }

        fn has_files(&self) -> bool {
            true
        }

        fn reread(&self) -> Reread {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[test]
    fn what_is_new_does_not_make_a_file_usable_before_it_is_read() {
        let unusable = || Reread::Unusable("it is empty".to_owned());
        let looks = [Reread::Same, Reread::New, unusable(), Reread::New, unusable(), Reread::New, Reread::Changed];
        let metrics = Metrics::default();
        let mut fresh = Fresh::new(vec![Box::new(Looks(Mutex::new(looks.to_vec())))], metrics.clone());
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

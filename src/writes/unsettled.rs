//! Writes that may still be under way: their answers told nothing, and they have not been seen since.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Writes by what they are about, the last one of each, until they can no longer happen. It holds as many as become
/// unsettled in that time; what is over is cleared away.
#[derive(Debug)]
pub(super) struct Unsettled<K, W>(Mutex<Memory<K, W>>);

#[derive(Debug)]
struct Memory<K, W> {
    pending: HashMap<K, Pending<W>>,
    /// How many there may be before those that are over are cleared away.
    sweep_at: usize,
}

/// A write that may still be under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending<W> {
    /// What is known of it.
    pub(super) write: W,
    until: Instant,
}

impl<W> Pending<W> {
    /// How long it may still be.
    pub(super) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// How many may be kept that are over.
const SWEEP_AT: usize = 1_024;

impl<K, W> Default for Unsettled<K, W> {
    fn default() -> Self {
        Self(Mutex::new(Memory { pending: HashMap::new(), sweep_at: SWEEP_AT }))
    }
}

impl<K: Eq + Hash, W: Clone> Unsettled<K, W> {
    /// Remembers a write that may be under way until then.
    pub(super) fn remember(&self, key: K, write: W, until: Instant) {
        let mut memory = self.memory();
        memory.pending.insert(key, Pending { write, until });
        if memory.pending.len() >= memory.sweep_at {
            let now = Instant::now();
            memory.pending.retain(|_, pending| pending.until > now);
            // So that many that are pending cost no search each.
            memory.sweep_at = SWEEP_AT.max(2 * memory.pending.len());
        }
    }

    /// The write that may be under way.
    pub(super) fn get(&self, key: &K) -> Option<Pending<W>> {
        self.memory().pending.get(key).filter(|pending| pending.until > Instant::now()).cloned()
    }

    /// Forgets a write of which is known what became of it.
    pub(super) fn forget(&self, key: &K) {
        self.memory().pending.remove(key);
    }

    fn memory(&self) -> MutexGuard<'_, Memory<K, W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_is_remembered_until_it_can_no_longer_happen() {
        let unsettled = Unsettled::default();
        let soon = Instant::now() + Duration::from_secs(35);
        unsettled.remember("a", 1, soon);
        unsettled.remember("b", 2, soon);
        unsettled.forget(&"b");
        advance(Duration::from_secs(30)).await;
        let left = |key| unsettled.get(&key).map(|pending| (pending.write, pending.time_left()));
        assert_eq!((left("a"), left("b"), left("c")), (Some((1, Duration::from_secs(5))), None, None));
        unsettled.remember("a", 3, Instant::now() + Duration::from_secs(35));
        advance(Duration::from_secs(5)).await;
        assert_eq!(left("a"), Some((3, Duration::from_secs(30))));
        advance(Duration::from_secs(30)).await;
        assert_eq!(left("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_cleared_away() {
        let unsettled = Unsettled::default();
        for key in 0..10 * SWEEP_AT {
            unsettled.remember(key, (), Instant::now() + Duration::from_millis(100));
            advance(Duration::from_millis(1)).await;
        }
        let memory = unsettled.memory();
        assert!(memory.pending.len() <= SWEEP_AT && memory.sweep_at == SWEEP_AT, "{}", memory.pending.len());
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_forgotten_because_there_are_many() {
        let unsettled = Unsettled::default();
        for key in 0..10 * SWEEP_AT {
            unsettled.remember(key, (), Instant::now() + Duration::from_secs(1));
        }
        assert!((0..10 * SWEEP_AT).all(|key| unsettled.get(&key).is_some()));
    }
}

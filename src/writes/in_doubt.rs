//! Writes in doubt: sent, outcome unknown, and possibly still to be applied.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Writes by what they are about, until they expire. It holds as many as fall in doubt within that time; expired ones are
/// removed in sweeps.
#[derive(Debug)]
pub(super) struct InDoubtWrites<K, W>(Mutex<State<K, W>>);

#[derive(Debug)]
struct State<K, W> {
    writes: HashMap<K, Vec<InDoubt<W>>>,
    /// How many were entered so far.
    count: u64,
    /// How many keys trigger the next sweep.
    sweep_at: usize,
}

/// A write that may still be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InDoubt<W> {
    /// What is known about it.
    pub(super) write: W,
    pub(super) ticket: Ticket,
    /// When it expires.
    pub(super) until: Instant,
}

/// Identity of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl<W> InDoubt<W> {
    /// How long it may still be applied.
    pub(super) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// The least number of keys that triggers a sweep.
const SWEEP_AT: usize = 1_024;

impl<K, W> Default for InDoubtWrites<K, W> {
    fn default() -> Self {
        Self(Mutex::new(State { writes: HashMap::new(), count: 0, sweep_at: SWEEP_AT }))
    }
}

impl<K: Eq + Hash, W: Clone> InDoubtWrites<K, W> {
    /// Enters a write that may be applied until then.
    pub(super) fn remember(&self, key: K, write: W, until: Instant) -> Ticket {
        let mut state = self.state();
        state.count += 1;
        let (ticket, now) = (Ticket(state.count), Instant::now());
        let writes = state.writes.entry(key).or_default();
        writes.retain(|other| other.until > now);
        writes.push(InDoubt { write, ticket, until });
        if state.writes.len() >= state.sweep_at {
            state.writes.retain(|_, writes| writes.iter().any(|write| write.until > now));
            // Doubled, so that a great number in doubt does not cost a sweep for each new one.
            state.sweep_at = SWEEP_AT.max(2 * state.writes.len());
        }
        ticket
    }

    /// Sets when a write expires, once that is known.
    pub(super) fn expire_at(&self, key: &K, ticket: Ticket, until: Instant) {
        self.edit(key, |writes| {
            writes.iter_mut().filter(|write| write.ticket == ticket).for_each(|write| write.until = until);
        });
    }

    /// Removes a write whose outcome is known.
    pub(super) fn forget(&self, key: &K, ticket: Ticket) {
        self.edit(key, |writes| writes.retain(|write| write.ticket != ticket));
    }

    /// Edits the writes about one key in one step.
    pub(super) fn edit<R: Default>(&self, key: &K, edit: impl FnOnce(&mut Vec<InDoubt<W>>) -> R) -> R {
        let mut state = self.state();
        let Some(writes) = state.writes.get_mut(key) else { return R::default() };
        let edited = edit(writes);
        if writes.is_empty() {
            state.writes.remove(key);
        }
        edited
    }

    /// The writes that may still be applied.
    pub(super) fn get(&self, key: &K) -> Vec<InDoubt<W>> {
        let now = Instant::now();
        self.state().writes.get(key).into_iter().flatten().filter(|write| write.until > now).cloned().collect()
    }

    fn state(&self) -> parking_lot::MutexGuard<'_, State<K, W>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_is_remembered_until_it_expires() {
        let writes = InDoubtWrites::default();
        let in_seconds = |seconds| Instant::now() + Duration::from_secs(seconds);
        writes.remember("a", 1, in_seconds(35));
        let ticket = writes.remember("b", 2, in_seconds(35));
        writes.forget(&"b", ticket);
        advance(Duration::from_secs(30)).await;
        let left = |key| {
            let left = writes.get(&key).into_iter();
            left.map(|entry| (entry.write, entry.time_left().as_secs())).collect::<Vec<_>>()
        };
        assert_eq!((left("a"), left("b"), left("c")), (vec![(1, 5)], vec![], vec![]));
        let ticket = writes.remember("a", 3, in_seconds(35));
        assert_eq!(left("a"), [(1, 5), (3, 35)]);
        writes.edit(&"a", |all| all.iter_mut().for_each(|entry| entry.write += 10));
        writes.expire_at(&"a", ticket, in_seconds(3));
        assert_eq!(left("a"), [(11, 5), (13, 3)]);
        writes.forget(&"a", ticket);
        assert_eq!(left("a"), [(11, 5)], "each forgets its own");
        advance(Duration::from_secs(5)).await;
        assert_eq!(left("a"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn expired_writes_are_swept() {
        let writes = InDoubtWrites::default();
        for key in 0..10 * SWEEP_AT {
            writes.remember(key, (), Instant::now() + Duration::from_millis(100));
            advance(Duration::from_millis(1)).await;
        }
        let state = writes.state();
        assert!(state.writes.len() <= SWEEP_AT && state.sweep_at == SWEEP_AT, "{}", state.writes.len());
    }

    #[tokio::test(start_paused = true)]
    async fn expired_writes_of_one_key_are_removed() {
        let writes = InDoubtWrites::default();
        for _ in 0..1_000 {
            writes.remember("a", (), Instant::now() + Duration::from_millis(100));
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(writes.state().writes["a"].len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_great_number_is_not_forgotten_early() {
        let writes = InDoubtWrites::default();
        for key in 0..10 * SWEEP_AT {
            writes.remember(key, (), Instant::now() + Duration::from_secs(1));
        }
        assert!((0..10 * SWEEP_AT).all(|key| !writes.get(&key).is_empty()));
    }
}

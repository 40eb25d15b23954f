//! Writes that may still be under way: their answers told nothing, and they have not been seen since.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Writes by what they are about, until they can no longer happen. It holds as many as become unsettled in that time; what is
/// over is cleared away.
#[derive(Debug)]
pub(super) struct InDoubtWrites<K, W>(Mutex<Memory<K, W>>);

#[derive(Debug)]
struct Memory<K, W> {
    pending: HashMap<K, Vec<InDoubt<W>>>,
    /// How many were remembered so far.
    count: u64,
    /// How many there may be before those that are over are cleared away.
    sweep_at: usize,
}

/// A write that may still be under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InDoubt<W> {
    /// What is known of it.
    pub(super) write: W,
    pub(super) ticket: Ticket,
    /// Until when it may be.
    pub(super) until: Instant,
}

/// By which a write is forgotten, and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl<W> InDoubt<W> {
    /// How long it may still be.
    pub(super) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// How many may be kept that are over.
const SWEEP_AT: usize = 1_024;

impl<K, W> Default for InDoubtWrites<K, W> {
    fn default() -> Self {
        Self(Mutex::new(Memory { pending: HashMap::new(), count: 0, sweep_at: SWEEP_AT }))
    }
}

impl<K: Eq + Hash, W: Clone> InDoubtWrites<K, W> {
    /// Remembers a write that may be under way until then.
    pub(super) fn remember(&self, key: K, write: W, until: Instant) -> Ticket {
        let mut memory = self.memory();
        memory.count += 1;
        let (ticket, now) = (Ticket(memory.count), Instant::now());
        let pending = memory.pending.entry(key).or_default();
        pending.retain(|pending| pending.until > now);
        pending.push(InDoubt { write, ticket, until });
        if memory.pending.len() >= memory.sweep_at {
            memory.pending.retain(|_, pending| pending.iter().any(|pending| pending.until > now));
            // So that many that are pending cost no search each.
            memory.sweep_at = SWEEP_AT.max(2 * memory.pending.len());
        }
        ticket
    }

    /// Notes until when one may be under way, once that is known.
    pub(super) fn end_at(&self, key: &K, ticket: Ticket, until: Instant) {
        self.edit(key, |pending| {
            pending.iter_mut().filter(|pending| pending.ticket == ticket).for_each(|pending| pending.until = until);
        });
    }

    /// Forgets a write of which is known what became of it.
    pub(super) fn forget(&self, key: &K, ticket: Ticket) {
        self.edit(key, |pending| pending.retain(|pending| pending.ticket != ticket));
    }

    /// Takes down what has become known of those about the same, in one step.
    pub(super) fn edit<R: Default>(&self, key: &K, edit: impl FnOnce(&mut Vec<InDoubt<W>>) -> R) -> R {
        let mut memory = self.memory();
        let Some(pending) = memory.pending.get_mut(key) else { return R::default() };
        let edited = edit(pending);
        if pending.is_empty() {
            memory.pending.remove(key);
        }
        edited
    }

    /// The writes that may be under way.
    pub(super) fn get(&self, key: &K) -> Vec<InDoubt<W>> {
        let now = Instant::now();
        self.memory().pending.get(key).into_iter().flatten().filter(|pending| pending.until > now).cloned().collect()
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
        let unsettled = InDoubtWrites::default();
        let in_seconds = |seconds| Instant::now() + Duration::from_secs(seconds);
        unsettled.remember("a", 1, in_seconds(35));
        let ticket = unsettled.remember("b", 2, in_seconds(35));
        unsettled.forget(&"b", ticket);
        advance(Duration::from_secs(30)).await;
        let left = |key| {
            let pending = unsettled.get(&key).into_iter();
            pending.map(|pending| (pending.write, pending.time_left().as_secs())).collect::<Vec<_>>()
        };
        assert_eq!((left("a"), left("b"), left("c")), (vec![(1, 5)], vec![], vec![]));
        let ticket = unsettled.remember("a", 3, in_seconds(35));
        assert_eq!(left("a"), [(1, 5), (3, 35)]);
        unsettled.edit(&"a", |all| all.iter_mut().for_each(|pending| pending.write += 10));
        unsettled.end_at(&"a", ticket, in_seconds(3));
        assert_eq!(left("a"), [(11, 5), (13, 3)]);
        unsettled.forget(&"a", ticket);
        assert_eq!(left("a"), [(11, 5)], "each forgets its own");
        advance(Duration::from_secs(5)).await;
        assert_eq!(left("a"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_cleared_away() {
        let unsettled = InDoubtWrites::default();
        for key in 0..10 * SWEEP_AT {
            unsettled.remember(key, (), Instant::now() + Duration::from_millis(100));
            advance(Duration::from_millis(1)).await;
        }
        let memory = unsettled.memory();
        assert!(memory.pending.len() <= SWEEP_AT && memory.sweep_at == SWEEP_AT, "{}", memory.pending.len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_about_the_same_is_cleared_away() {
        let unsettled = InDoubtWrites::default();
        for _ in 0..1_000 {
            unsettled.remember("a", (), Instant::now() + Duration::from_millis(100));
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(unsettled.memory().pending["a"].len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_forgotten_because_there_are_many() {
        let unsettled = InDoubtWrites::default();
        for key in 0..10 * SWEEP_AT {
            unsettled.remember(key, (), Instant::now() + Duration::from_secs(1));
        }
        assert!((0..10 * SWEEP_AT).all(|key| !unsettled.get(&key).is_empty()));
    }
}

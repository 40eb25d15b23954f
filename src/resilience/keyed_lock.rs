//! One at a time for each key, or several that do not mind each other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Keys, each of which one caller has at a time, or several who share it. Whoever came first is first. What nobody has or waits
/// for takes no memory.
#[derive(Debug)]
pub struct KeyedRwLock<K>(Mutex<HashMap<K, Weak<RwLock<()>>>>);

/// The right to a key, given back when this goes.
#[derive(Debug)]
pub enum KeyedGuard {
    /// Nobody else has it.
    Exclusive(OwnedRwLockWriteGuard<()>),
    /// Others may have it too.
    Shared(OwnedRwLockReadGuard<()>),
}

impl<K> Default for KeyedRwLock<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// How many keys may be left behind before they are cleared away.
const MAX_UNUSED: usize = 1_024;

impl<K: Eq + Hash> KeyedRwLock<K> {
    /// Waits until nobody else has the key.
    pub async fn write(&self, key: K) -> KeyedGuard {
        let turn = self.lock_for(key);
        KeyedGuard::Exclusive(turn.write_owned().await)
    }

    /// Waits until nobody has the key alone.
    pub async fn read(&self, key: K) -> KeyedGuard {
        let turn = self.lock_for(key);
        KeyedGuard::Shared(turn.read_owned().await)
    }

    fn lock_for(&self, key: K) -> Arc<RwLock<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = turns.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        if turns.len() >= MAX_UNUSED {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let new = Arc::new(RwLock::new(()));
        turns.insert(key, Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_key_is_had_by_one_at_a_time_and_others_do_not_matter() {
        let turns = KeyedRwLock::default();
        let first = turns.write("a").await;
        assert!(turns.write("a").now_or_never().is_none());
        assert!(turns.write("b").now_or_never().is_some());
        drop(first);
        assert!(turns.write("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_key_that_is_shared_is_nobodys_alone() {
        let turns = KeyedRwLock::default();
        let shared = [turns.read("a").await, turns.read("a").await];
        let mut alone = std::pin::pin!(turns.write("a"));
        assert!(alone.as_mut().now_or_never().is_none());
        assert!(turns.read("a").now_or_never().is_none(), "somebody came before");
        drop(shared);
        let alone = alone.await;
        assert!(turns.read("a").now_or_never().is_none());
        drop(alone);
        assert!(turns.read("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn keys_that_nobody_has_are_forgotten() {
        let turns = KeyedRwLock::default();
        for key in 0..10 * MAX_UNUSED {
            let _ = turns.write(key).await;
        }
        assert!(turns.0.lock().unwrap().len() <= MAX_UNUSED);
    }
}

//! One at a time for each key, or several that do not mind each other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Keys, each of which one caller has at a time, or several who share it. Whoever came first is first. What nobody has or waits
/// for takes no memory.
#[derive(Debug)]
pub struct Turns<K>(Mutex<HashMap<K, Weak<RwLock<()>>>>);

/// The right to a key, given back when this goes.
#[derive(Debug)]
pub enum Turn {
    /// Nobody else has it.
    Alone(OwnedRwLockWriteGuard<()>),
    /// Others may have it too.
    Shared(OwnedRwLockReadGuard<()>),
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// How many keys may be left behind before they are cleared away.
const LEFT_BEHIND: usize = 1_024;

impl<K: Eq + Hash> Turns<K> {
    /// Waits until nobody else has the key.
    pub async fn wait(&self, key: K) -> Turn {
        let turn = self.of(key);
        Turn::Alone(turn.write_owned().await)
    }

    /// Waits until nobody has the key alone.
    pub async fn share(&self, key: K) -> Turn {
        let turn = self.of(key);
        Turn::Shared(turn.read_owned().await)
    }

    fn of(&self, key: K) -> Arc<RwLock<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = turns.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        if turns.len() >= LEFT_BEHIND {
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
        let turns = Turns::default();
        let first = turns.wait("a").await;
        assert!(turns.wait("a").now_or_never().is_none());
        assert!(turns.wait("b").now_or_never().is_some());
        drop(first);
        assert!(turns.wait("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_key_that_is_shared_is_nobodys_alone() {
        let turns = Turns::default();
        let shared = [turns.share("a").await, turns.share("a").await];
        let mut alone = std::pin::pin!(turns.wait("a"));
        assert!(alone.as_mut().now_or_never().is_none());
        assert!(turns.share("a").now_or_never().is_none(), "somebody came before");
        drop(shared);
        let alone = alone.await;
        assert!(turns.share("a").now_or_never().is_none());
        drop(alone);
        assert!(turns.share("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn keys_that_nobody_has_are_forgotten() {
        let turns = Turns::default();
        for key in 0..10 * LEFT_BEHIND {
            let _ = turns.wait(key).await;
        }
        assert!(turns.0.lock().unwrap().len() <= LEFT_BEHIND);
    }
}

//! A FIFO read-write lock per key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// One fair read-write lock per key. Keys that are neither held nor waited for take no memory beyond a bounded number of map
/// entries: the map holds weak references, and only guards and waiters keep a lock alive.
#[derive(Debug)]
pub struct KeyedRwLock<K>(Mutex<HashMap<K, Weak<RwLock<()>>>>);

/// A held lock, released on drop.
#[derive(Debug)]
pub enum KeyedGuard {
    /// The only guard of its key.
    Exclusive(OwnedRwLockWriteGuard<()>),
    /// One of possibly several shared guards of its key.
    Shared(OwnedRwLockReadGuard<()>),
}

impl<K> Default for KeyedRwLock<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// How many entries the map may have before dead ones are removed. Removing on every release would need the map's mutex in a
/// destructor; this way the cost is amortised over many insertions.
const PRUNE_THRESHOLD: usize = 1_024;

impl<K: Eq + Hash> KeyedRwLock<K> {
    /// Waits for exclusive access to the key.
    pub async fn write(&self, key: K) -> KeyedGuard {
        let lock = self.lock_for(key);
        KeyedGuard::Exclusive(lock.write_owned().await)
    }

    /// Waits for shared access to the key. Queues behind a waiting writer, so that readers cannot starve it.
    pub async fn read(&self, key: K) -> KeyedGuard {
        let lock = self.lock_for(key);
        KeyedGuard::Shared(lock.read_owned().await)
    }

    fn lock_for(&self, key: K) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= PRUNE_THRESHOLD {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(RwLock::new(()));
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn write_lock_excludes_only_its_own_key() {
        let locks = KeyedRwLock::default();

        let held = locks.write("a").await;

        assert!(locks.write("a").now_or_never().is_none());
        assert!(locks.write("b").now_or_never().is_some());
        drop(held);
        assert!(locks.write("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn waiting_writer_blocks_later_readers() {
        let locks = KeyedRwLock::default();
        let readers = [locks.read("a").await, locks.read("a").await];

        let mut writer = std::pin::pin!(locks.write("a"));

        assert!(writer.as_mut().now_or_never().is_none());
        assert!(locks.read("a").now_or_never().is_none(), "the writer came first");
        drop(readers);
        let writer = writer.await;
        assert!(locks.read("a").now_or_never().is_none());
        drop(writer);
        assert!(locks.read("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn unused_keys_are_removed() {
        let locks = KeyedRwLock::default();

        for key in 0..10 * PRUNE_THRESHOLD {
            let _ = locks.write(key).await;
        }

        assert!(locks.0.lock().len() <= PRUNE_THRESHOLD);
    }
}

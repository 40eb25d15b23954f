//! The open connections of a server: their number, and which of them makes room for a newcomer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection_timeouts::ConnectionTimeouts;

/// The open connections of a server. Clones share state.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    last_id: u64,
    open: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    timeouts: ConnectionTimeouts,
    make_room: Arc<Notify>,
}

/// A connection that is in the registry until this is dropped.
#[derive(Debug)]
pub(super) struct Registration {
    connections: Connections,
    id: u64,
    timeouts: ConnectionTimeouts,
    make_room: Arc<Notify>,
}

impl Connections {
    /// The number of open connections that serve a request or receive one, and the number of idle ones.
    #[must_use]
    pub fn active_and_idle(&self) -> (usize, usize) {
        let registry = self.0.lock();
        let idle = registry.open.values().filter(|entry| entry.timeouts.is_idle()).count();
        (registry.open.len() - idle, idle)
    }

    pub(super) fn register(&self, timeouts: ConnectionTimeouts) -> Registration {
        let make_room = Arc::new(Notify::new());
        let mut registry = self.0.lock();
        registry.last_id += 1;
        let id = registry.last_id;
        registry.open.insert(id, Entry { timeouts: timeouts.clone(), make_room: Arc::clone(&make_room) });
        Registration { connections: self.clone(), id, timeouts, make_room }
    }

    /// Closes the connection that has waited longest for its client to send a request, if there is one. Heads count after
    /// `head_grace`: until then a client that has just connected has had no time to send one.
    pub(super) fn close_longest_waiting(&self, head_grace: Duration) {
        let now = Instant::now();
        let registry = self.0.lock();
        let waiting = registry.open.values().filter_map(|entry| Some((entry.timeouts.waiting_since(now, head_grace)?, entry)));
        if let Some((_, entry)) = waiting.min_by_key(|(since, _)| *since) {
            entry.make_room.notify_one();
        }
    }
}

impl Registration {
    /// Resolves when the connection must close to make room. A request that has arrived meanwhile is served first.
    pub(super) async fn must_make_room(&self) {
        loop {
            self.make_room.notified().await;
            if self.timeouts.waiting_since(Instant::now(), Duration::ZERO).is_some() {
                return;
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.0.lock().open.remove(&self.id);
    }
}

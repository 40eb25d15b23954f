//! One event loop for each core, over which connections are distributed.
//!
//! Everything that a request needs happens on the thread of its connection: reading, the exchange with the upstream, writing. In a
//! work-stealing runtime, one thread waits for all sockets and others take work from it, which costs each request time and leaves
//! cores idle: with two cores, 11 % of the time, and 3 % with an event loop for each. The price is that a core cannot help another,
//! so a new connection goes to the loop that serves the fewest.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Event loops beside that of the thread which accepts connections. Dropping this ends them, with all their tasks.
#[derive(Debug, Default)]
pub struct EventLoops {
    threads: Vec<(Handle, JoinHandle<()>)>,
    stop: CancellationToken,
}

/// Assigns connections to event loops.
#[derive(Debug)]
pub(super) struct Assignment(Vec<EventLoop>);

/// An event loop, as one connection holds it.
#[derive(Debug, Clone, Default)]
pub(super) struct EventLoop {
    /// `None` is the one that accepts connections.
    handle: Option<Handle>,
    /// Each connection holds a clone.
    connections: Arc<()>,
}

impl EventLoops {
    /// One event loop for each core that the process may use, together with the one that accepts connections.
    ///
    /// # Errors
    /// When the system has no thread or file descriptor left.
    pub fn for_all_cores() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::start(cores - 1)
    }

    /// Starts this many.
    ///
    /// # Errors
    /// When the system has no thread or file descriptor left.
    pub fn start(number: usize) -> io::Result<Self> {
        let mut loops = Self::default();
        for _ in 0..number {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (handle, stop) = (runtime.handle().clone(), loops.stop.clone());
            let run = move || {
                runtime.block_on(stop.cancelled());
                // Without waiting for DNS lookups, which block their threads for as long as the resolver takes.
                runtime.shutdown_background();
            };
            let thread = thread::Builder::new().name("event-loop".to_owned()).spawn(run)?;
            loops.threads.push((handle, thread));
        }
        Ok(loops)
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> {
        self.threads.iter().map(|(handle, _)| handle.clone())
    }
}

impl Drop for EventLoops {
    fn drop(&mut self) {
        self.stop.cancel();
        for (_, thread) in self.threads.drain(..) {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Assignment {
    /// Over these event loops, and the one that accepts connections.
    pub(super) fn over(handles: Vec<Handle>) -> Self {
        let handles = std::iter::once(None).chain(handles.into_iter().map(Some));
        Self(handles.map(|handle| EventLoop { handle, connections: Arc::default() }).collect())
    }

    /// The event loop that serves the fewest connections.
    pub(super) fn next(&self) -> EventLoop {
        self.0.iter().min_by_key(|event_loop| Arc::strong_count(&event_loop.connections)).cloned().unwrap_or_default()
    }
}

impl EventLoop {
    pub(super) const fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// Makes this event loop wait for the socket, in place of the one that accepted it. Called on its thread.
    pub(super) fn take_over(&self, socket: TcpStream) -> io::Result<TcpStream> {
        if self.handle.is_none() { Ok(socket) } else { TcpStream::from_std(socket.into_std()?) }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    #[test]
    fn connection_goes_to_the_event_loop_with_the_fewest() {
        let loops = EventLoops::start(2).unwrap();
        let assignment = Assignment::over(loops.handles().collect());
        let id = |event_loop: &EventLoop| event_loop.handle().map(Handle::id);

        let mut connections: Vec<EventLoop> = (0..6).map(|_| assignment.next()).collect();

        let ids: Vec<_> = connections.iter().map(id).collect();
        assert_eq!(ids[..3], ids[3..]);
        assert_eq!((ids[0], ids[1] == ids[2]), (None, false));
        let closed = connections.remove(1);
        let (closed, closed_id) = (drop(closed), ids[1]);
        assert_eq!((closed, id(&assignment.next())), ((), closed_id));
    }

    #[test]
    fn tasks_run_on_threads_of_their_own_until_the_event_loops_are_dropped() {
        struct Dropped(std::sync::mpsc::Sender<ThreadId>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.send(thread::current().id()).unwrap();
            }
        }
        let (sender, dropped) = std::sync::mpsc::channel();
        let loops = EventLoops::start(1).unwrap();
        let (handle, thread) = loops.threads.first().map(|(handle, thread)| (handle.clone(), thread.thread().id())).unwrap();
        let task = Dropped(sender);
        handle.spawn(async move {
            let _task = task;
            std::future::pending::<()>().await;
        });

        drop(loops);

        assert_eq!(dropped.try_recv(), Ok(thread));
    }
}

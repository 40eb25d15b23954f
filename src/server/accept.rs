//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

use super::Limits;
use super::connections::Connections;

/// Connections that the kernel completes before they are accepted.
const BACKLOG: u32 = 1024;
/// What the kernel holds of requests that the server has not read yet. A client may fill it without being served, on every
/// connection; requests are small, so a large one gains nothing. The kernel doubles the value for its own bookkeeping.
const RECEIVE_BUFFER: u32 = 32 * 1024;
/// The unsent bytes of a response beyond which the kernel accepts no more. It bounds what a client that reads nothing costs,
/// without bounding what is on its way to a client that reads, as a fixed send buffer would. It also makes the kernel accept
/// bytes again soon after a slow client has read some, not only when a third of a send buffer of megabytes is free: the write
/// stall timeout relies on that.
const UNSENT_LOW_WATERMARK: u32 = 32 * 1024;
/// The pause after `accept` failed for lack of file descriptors or memory. The listener stays readable, so that without a
/// pause this would be a busy loop; closing connections free descriptors meanwhile.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long no accept may fail before the shortage counts as over. It also bounds how often the log reports one.
const RECOVERY: Duration = Duration::from_secs(1);
/// How often a newcomer at the limit looks for a connection that has become idle.
const MAKE_ROOM_INTERVAL: Duration = Duration::from_millis(20);

/// Listens on an address with bounded socket buffers, which accepted connections inherit.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_LOW_WATERMARK)?;
    // A small response must not wait for the client's acknowledgement of the one before it (Nagle's algorithm).
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections up to a limit, beyond which idle ones make room.
pub(super) struct Acceptor {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    connections: Connections,
    head_grace: Duration,
    /// A connection that was accepted and has no permit yet.
    newcomer: Option<(TcpStream, SocketAddr)>,
    shortage: Option<Shortage>,
}

/// Accepting has failed lately, for lack of file descriptors or memory.
struct Shortage {
    failures: u64,
    last_failure: Instant,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, limits: &Limits, connections: Connections) -> Self {
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        Self { listener, permits, connections, head_grace: limits.head_grace, newcomer: None, shortage: None }
    }

    pub(super) fn permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.permits)
    }

    /// Waits for a connection and then for its permit. Dropping this future loses no connection.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            if self.newcomer.is_none() {
                self.newcomer = Some(self.accept().await);
            }
            let permit = self.permit().await;
            if let Some((stream, peer)) = self.newcomer.take() {
                return (stream, peer, permit);
            }
        }
    }

    /// The connections that have not been served: the newcomer, and those in the kernel's backlog, without waiting for more.
    /// Closes the listener.
    pub(super) fn into_backlog(self) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
        self.newcomer.into_iter().chain(backlog(self.listener))
    }

    #[expect(clippy::expect_used, reason = "acquiring fails only after `Semaphore::close`, which the server never calls")]
    async fn permit(&self) -> OwnedSemaphorePermit {
        loop {
            let free = Arc::clone(&self.permits).acquire_owned();
            tokio::select! {
                biased;
                permit = free => return permit.expect("the semaphore is never closed"),
                // Polled once only if there was no permit.
                () = async {
                    self.connections.close_longest_waiting(self.head_grace);
                    sleep(MAKE_ROOM_INTERVAL).await;
                } => {}
            }
        }
    }

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let recovery = self.shortage.as_ref().map(|shortage| shortage.last_failure + RECOVERY);
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = sleep_until(recovery.unwrap_or_else(Instant::now)), if recovery.is_some() => {
                    self.report_recovery();
                    continue;
                }
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    self.report_failure(&error);
                    // It frees a descriptor, which may be what is missing.
                    self.connections.close_longest_waiting(self.head_grace);
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Logs the beginning of a shortage only: it may last, and accepting may fail and succeed in turns.
    fn report_failure(&mut self, error: &io::Error) {
        if self.shortage.is_none() {
            tracing::error!(%error, "cannot accept connections; retrying");
        }
        let failures = self.shortage.as_ref().map_or(0, |shortage| shortage.failures) + 1;
        self.shortage = Some(Shortage { failures, last_failure: Instant::now() });
    }

    fn report_recovery(&mut self) {
        if let Some(Shortage { failures, .. }) = self.shortage.take() {
            tracing::info!(failures, "connections are accepted again");
        }
    }
}

/// Accepts the connections that wait in the kernel's backlog, without waiting for more, and closes the listener.
fn backlog(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // The standard library's listener asks the kernel each time. Tokio's would rely on the last readiness event, and miss
    // connections that arrived after it.
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        loop {
            match listener.as_ref()?.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true).ok()?;
                    return Some((TcpStream::from_std(stream).ok()?, peer));
                }
                Err(error) if concerns_one_connection(&error) => {}
                // `WouldBlock`: the backlog is empty. Anything else ends the drain of the backlog too.
                Err(_) => return None,
            }
        }
    })
}

/// Whether the client closed the connection before it was accepted, which says nothing about the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_inherit_the_options_of_the_listener() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());

        let (accepted, client) = tokio::join!(listener.accept(), client);

        let (accepted, _client) = (accepted.unwrap().0, client.unwrap());
        let socket = SockRef::from(&accepted);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_LOW_WATERMARK);
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * RECEIVE_BUFFER as usize);
        assert!(socket.tcp_nodelay().unwrap());
    }
}

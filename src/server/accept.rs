//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The pause after `accept` failed for lack of file descriptors or memory. The listener stays readable, so that without a
/// pause this would be a busy loop; closing connections free descriptors meanwhile.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Waits for a permit and then for a connection. In this order clients beyond the limit wait in the kernel's backlog, where
/// they cost no file descriptor.
#[expect(clippy::expect_used, reason = "acquiring fails only after `Semaphore::close`, which the server never calls")]
pub(super) async fn next_connection(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    let mut is_failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if is_failing {
                    tracing::info!("connections are accepted again");
                }
                return (stream, peer, permit);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                // Logged once, not ten times per second.
                if !is_failing {
                    tracing::error!(error = %error, "cannot accept connections; retrying");
                }
                is_failing = true;
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Accepts the connections that wait in the kernel's backlog, without waiting for more, and closes the listener.
pub(super) fn backlog(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
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

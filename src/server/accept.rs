//! How connections are taken from the kernel.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Out of descriptors or memory: connections that end in the meantime free some.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Waits for a connection that may be served. Where there is no place, clients wait in the kernel.
pub(super) async fn one(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let mut is_out = false;
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, peer)) => {
                if is_out {
                    tracing::info!("connections are accepted again");
                }
                return (stream, peer, place);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Once, not ten times a second.
                if !std::mem::replace(&mut is_out, true) {
                    tracing::error!(error = %error, "no connection can be accepted at the moment");
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Those that the kernel still has, and then no more are taken. The kernel is asked itself: the runtime does not know of those
/// that came a moment ago.
pub(super) fn rest(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        loop {
            match listener.as_ref()?.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true).ok()?;
                    return Some((TcpStream::from_std(stream).ok()?, peer));
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(_) => return None,
            }
        }
    })
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

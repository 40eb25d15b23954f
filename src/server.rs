//! Sockets: bind, serve, stop.
//!
//! A server is bound before it runs, so that port 0 can be asked for and the address told; tests take the same path. It is
//! built on hyper's connections, because axum's own server lets a client take for ever over everything. What a client may
//! take how long is watched here ([`watch`]): the head of a request, with the handshake of an encrypted connection before it,
//! the pause between two, a response that it does not read.
//!
//! A stop has three steps. First every response ends its connection, so that clients go elsewhere by themselves. Then those that
//! have connected are taken in, also where the kernel had them wait, and no others; each connection ends with the request it is
//! at, or, where there was none yet, with its first. What is still open when the time is over is broken off.

mod accept;
mod connection;
mod connection_timeouts;
mod monitored_io;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::config::Loaded;

use connection::Connection;

/// A bound server.
#[derive(Debug)]
pub struct Server<S = Router> {
    listener: TcpListener,
    address: SocketAddr,
    service: S,
    tls: Option<Loaded<ServerConfig>>,
    limits: Limits,
    drain_signal: DrainSignal,
}

/// What connections are held to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a client may take to send the head of a request: from the opening of a connection, or from the first byte of
    /// a later head.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of a response.
    pub write_stall_timeout: Duration,
    /// How long a response may take from the head of its request to its last byte, however it goes on.
    pub response_timeout: Duration,
    /// How many connections are served at once.
    pub max_connections: usize,
    /// How long requests may take to end after the server was told to stop.
    pub drain_timeout: Duration,
}

/// Whether every response ends its connection. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct DrainSignal(Arc<AtomicBool>);

impl DrainSignal {
    /// From now on it does.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(30),
            response_timeout: Duration::from_mins(6),
            max_connections: 1024,
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl<S> Server<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// Takes the address; port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address cannot be taken, with the address in the text.
    pub async fn bind(address: SocketAddr, service: S, limits: Limits) -> io::Result<Self> {
        let in_words = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("cannot listen on {address}: {error}; another address can be chosen, see --help"),
            )
        };
        let listener = TcpListener::bind(address).await.map_err(in_words)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, service, tls: None, limits, drain_signal: DrainSignal::default() })
    }

    /// The same with encrypted connections, when it is said how: each by what is valid when it opens.
    #[must_use]
    pub fn with_tls(self, tls: Option<Loaded<ServerConfig>>) -> Self {
        Self { tls, ..self }
    }

    /// The address that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which responses are made to end their connections.
    #[must_use]
    pub fn drain_signal(&self) -> DrainSignal {
        self.drain_signal.clone()
    }

    /// Serves until `stop` resolves, and then until the open requests have ended or the time for that is over. Returns when
    /// that time is over, for others who must end with it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Drained {
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        let (tasks, stopping, over) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let serve = |stream: TcpStream, peer: SocketAddr, place: Option<OwnedSemaphorePermit>| {
            let connection = Connection {
                service: self.service.clone(),
                tls: self.tls.as_ref().map(Loaded::get),
                limits: self.limits,
                drain_signal: self.drain_signal.clone(),
                stopping: stopping.clone(),
                force_close: over.clone(),
            };
            let (places, over) = (Arc::clone(&places), over.clone());
            tasks.spawn(async move {
                let wait = async { over.run_until_cancelled(places.acquire_owned()).await?.ok() };
                let place = if place.is_some() { place } else { wait.await };
                if place.is_some() {
                    connection.serve(stream, peer).await;
                }
            });
        };
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                (stream, peer, place) = accept::one(&self.listener, &places) => serve(stream, peer, Some(place)),
            }
        }
        // Clients that have connected already believe that they are being served.
        for (stream, peer) in accept::rest(self.listener) {
            serve(stream, peer, None);
        }
        self.drain_signal.begin();
        stopping.cancel();
        tasks.close();
        let deadline = Instant::now() + self.limits.drain_timeout;
        if tokio::time::timeout_at(deadline, tasks.wait()).await.is_err() {
            tracing::warn!("requests were still running at the end of server.drain_timeout and are broken off");
            over.cancel();
            tasks.wait().await;
        }
        Drained { deadline }
    }
}

/// A server that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// When the time for ending is over.
    pub deadline: Instant,
}

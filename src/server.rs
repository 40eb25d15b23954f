//! HTTP server: bind, serve, drain.
//!
//! A server is bound before it runs, so that the caller can ask for port 0 and learn the address; tests take the same path as
//! production. It is built on hyper's connections, because `axum::serve` has no timeouts: one client that never finishes its
//! request head would hold a connection indefinitely. [`connection_timeouts`] limits the time for the head of a request (with
//! the TLS handshake before it), for the pause between two requests, and for a response that the client does not read.
//!
//! What a client can make the server hold is bounded too, whether it reads responses and completes requests or not: the socket
//! buffers ([`accept`]) and the buffers of hyper ([`connection`]). At the limit of connections, the one that has waited longest
//! for its client makes room for a newcomer ([`connections`]).
//!
//! Connections are distributed over event loops, one for each core ([`event_loops`]).
//!
//! A drain has three steps:
//!
//! 1. Every response gets `Connection: close` ([`DrainSignal`]), so that clients reconnect elsewhere by themselves.
//! 2. [`Server::run`] stops listening. Connections that wait in the kernel's backlog are still accepted: their clients believe
//!    that they are connected. Each connection closes after the request that it is serving, or after its first one.
//! 3. Connections that are still open after [`Limits::drain_timeout`] are closed.

mod accept;
mod connection;
mod connection_timeouts;
mod connections;
mod event_loops;
mod monitored_io;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::config::{self, Loaded};

pub use connections::Connections;
pub use event_loops::EventLoops;

use accept::Acceptor;
use connection::Connection;
use event_loops::Assignment;

/// A server that is bound to an address. It accepts connections once it [runs](Self::run).
#[derive(Debug)]
pub struct Server<S = Router> {
    listener: TcpListener,
    address: SocketAddr,
    service: S,
    tls: Option<Loaded<ServerConfig>>,
    limits: Limits,
    connections: Connections,
    drain_signal: DrainSignal,
    event_loops: Vec<Handle>,
}

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long the head of a request may take: from the opening of the connection, or from the first byte of a later head.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// How long a client may read nothing of a response.
    pub write_stall_timeout: Duration,
    /// How long a response may take, from the end of the request's head to its last byte, even if the client keeps reading.
    pub response_timeout: Duration,
    /// The number of connections that are served at the same time. For a further one, the connection closes that has waited
    /// longest for its client to send a request; while all serve one, it waits.
    pub max_connections: usize,
    /// How long a connection whose head is not complete makes no room: a client that has just connected needs some time to
    /// send it.
    pub head_grace: Duration,
    /// How long connections may stay open after the server has stopped listening.
    pub drain_timeout: Duration,
}

/// How much longer a response may take than what it waits for, so that the handler's own timeouts come first: they answer with
/// a problem, while this one closes the connection.
const RESPONSE_SLACK: Duration = Duration::from_secs(5);

impl From<&config::Server> for Limits {
    fn from(config: &config::Server) -> Self {
        Self {
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            write_stall_timeout: config.write_stall_timeout,
            // First the request's body may be late, then the upstream.
            response_timeout: config.body_timeout + config.list_timeout.max(config.request_timeout) + RESPONSE_SLACK,
            max_connections: config.max_connections,
            head_grace: Duration::from_secs(1),
            drain_timeout: config.drain_timeout,
        }
    }
}

/// Makes every response close its connection once the drain has begun. Clones share state.
#[derive(Debug, Clone, Default)]
pub struct DrainSignal(Arc<AtomicBool>);

impl DrainSignal {
    /// Begins the drain.
    pub fn begin(&self) {
        // Relaxed: a response that just misses it leaves its connection open, and the next one closes it.
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The address may be in use, or not belong to this machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another address, see --help")]
struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl<S, B> Server<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error = axum::Error> + Send + 'static,
{
    /// Binds to an address; port 0 chooses a free port.
    ///
    /// # Errors
    /// When the address cannot be bound; the message contains it.
    #[expect(clippy::unused_async, reason = "binding needs a runtime, and a future is polled by one")]
    pub async fn bind(address: SocketAddr, service: S, limits: Limits) -> io::Result<Self> {
        let with_address = |source: io::Error| io::Error::new(source.kind(), BindError { address, source });
        let listener = accept::listen(address).map_err(with_address)?;
        let address = listener.local_addr()?;
        let (connections, drain_signal) = (Connections::default(), DrainSignal::default());
        Ok(Self { listener, address, service, tls: None, limits, connections, drain_signal, event_loops: Vec::new() })
    }

    /// Serves over TLS if `tls` is given. Each connection uses the configuration that is current when it is accepted.
    #[must_use]
    pub fn with_tls(self, tls: Option<Loaded<ServerConfig>>) -> Self {
        Self { tls, ..self }
    }

    /// Distributes connections over these event loops and the one that the server runs on. They must outlive it.
    #[must_use]
    pub fn with_event_loops(self, event_loops: &EventLoops) -> Self {
        Self { event_loops: event_loops.handles().collect(), ..self }
    }

    /// The bound address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves, for requests without a connection.
    #[must_use]
    pub fn service(&self) -> S {
        self.service.clone()
    }

    /// The open connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// The signal that makes responses close their connections, for use before the server stops listening.
    #[must_use]
    pub fn drain_signal(&self) -> DrainSignal {
        self.drain_signal.clone()
    }

    /// Serves until `stop` resolves, then drains. Returns when all connections are closed, with the deadline that they had:
    /// work that outlives its connection must end by it too.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Drained {
        let mut acceptor = Acceptor::new(self.listener, &self.limits, self.connections.clone());
        let permits = acceptor.permits();
        let assignment = Assignment::over(self.event_loops);
        let (tasks, stopping, force_close) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let spawn = |stream: TcpStream, peer: SocketAddr, permit: Option<OwnedSemaphorePermit>| {
            let connection = Connection {
                service: self.service.clone(),
                tls: self.tls.as_ref().map(Loaded::get),
                limits: self.limits,
                connections: self.connections.clone(),
                drain_signal: self.drain_signal.clone(),
                stopping: stopping.clone(),
                force_close: force_close.clone(),
            };
            let (permits, force_close) = (Arc::clone(&permits), force_close.clone());
            let event_loop = assignment.next();
            let handle = event_loop.handle().cloned().unwrap_or_else(Handle::current);
            let serve = async move {
                let stream = match event_loop.take_over(stream) {
                    Ok(stream) => stream,
                    Err(error) => return tracing::error!(%error, "cannot serve a connection; it is closed"),
                };
                let wait = async { force_close.run_until_cancelled(permits.acquire_owned()).await?.ok() };
                let permit = if permit.is_some() { permit } else { wait.await };
                if permit.is_some() {
                    connection.serve(stream, peer).await;
                }
                drop(event_loop);
            };
            tasks.spawn_on(serve, &handle);
        };
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                (stream, peer, permit) = acceptor.next() => spawn(stream, peer, Some(permit)),
            }
        }
        // There may be more of these than permits, so they wait for theirs after they are accepted.
        for (stream, peer) in acceptor.into_backlog() {
            spawn(stream, peer, None);
        }
        self.drain_signal.begin();
        stopping.cancel();
        tasks.close();
        let deadline = Instant::now() + self.limits.drain_timeout;
        if tokio::time::timeout_at(deadline, tasks.wait()).await.is_err() {
            let open = tasks.len();
            tracing::warn!(open, "server.drain_timeout has passed; closing the connections that are still open");
            force_close.cancel();
            tasks.wait().await;
        }
        Drained { deadline }
    }
}

/// A server that has drained.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// The end of `drain_timeout`.
    pub deadline: Instant,
}

//! Sockets: bind, serve, stop.
//!
//! A server is bound before it runs, so that port 0 can be asked for and the address told; tests take the same path. It is
//! built on hyper's connections, because axum's own server lets a client take for ever over everything. What a client may
//! take how long is watched here ([`watch`]): the head of a request, with the handshake of an encrypted connection before it,
//! the pause between two, a response that it does not read.
//!
//! A stop has three steps. First every response ends its connection, so that clients go elsewhere by themselves. Then no
//! connection is accepted any more, and each open one ends with the request it is at. What is still open when the time is
//! over is broken off.

mod connection;
mod stream;
mod watch;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
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
    closing: Closing,
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
pub struct Closing(Arc<AtomicBool>);

impl Closing {
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
        Ok(Self { listener, address, service, tls: None, limits, closing: Closing::default() })
    }

    /// The same with encrypted connections, when it is said how: each by what is valid when it opens.
    #[must_use]
    pub fn encrypted(self, tls: Option<Loaded<ServerConfig>>) -> Self {
        Self { tls, ..self }
    }

    /// The address that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which responses are made to end their connections.
    #[must_use]
    pub fn closing(&self) -> Closing {
        self.closing.clone()
    }

    /// Serves until `stop` resolves, and then until the open requests have ended or the time for that is over. Returns when
    /// that time is over, for others who must end with it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Drained {
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        let (tasks, stopping, over) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let serve = |(stream, peer, permit): Accepted| {
            let connection = Connection {
                service: self.service.clone(),
                tls: self.tls.as_ref().map(Loaded::get),
                limits: self.limits,
                closing: self.closing.clone(),
                stopping: stopping.clone(),
                over: over.clone(),
            };
            tasks.spawn(async move {
                connection.serve(stream, peer).await;
                drop(permit);
            });
        };
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &places) => serve(accepted),
            }
        }
        // Clients that have connected already believe that they are being served.
        while let Some(accepted) = accept(&self.listener, &places).now_or_never() {
            serve(accepted);
        }
        drop(self.listener);
        self.closing.begin();
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

type Accepted = (TcpStream, SocketAddr, Permit);
type Permit = tokio::sync::OwnedSemaphorePermit;

/// Waits for a connection that may be served.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    /// Out of descriptors or memory: connections that end in the meantime free some.
    const BACK_OFF: Duration = Duration::from_millis(100);
    loop {
        let Ok(permit) = Arc::clone(places).acquire_owned().await else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(error = %error, "no connection can be accepted at the moment");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

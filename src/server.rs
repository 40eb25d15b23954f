//! Sockets: bind, serve, stop.
//!
//! A server is bound before it runs, so that port 0 can be asked for and the address told; tests take the same path. It is
//! built on hyper's connections, because axum's own server lets a client send the head of a request for ever. A stop has
//! two steps: after the first no connection is accepted any more and each open one ends with the request it is at; what is
//! still open when the time is over is broken off.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::{Service, ServiceExt};

/// A bound server.
#[derive(Debug)]
pub struct Server<S = Router> {
    listener: TcpListener,
    address: SocketAddr,
    service: S,
    limits: Limits,
}

/// What connections are held to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How many connections are served at once.
    pub max_connections: usize,
    /// How long requests may take to end after the server was told to stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(10), max_connections: 1024, drain_timeout: Duration::from_secs(25) }
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
        Ok(Self { listener, address, service, limits })
    }

    /// The address that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves, and then until the open requests have ended or the time for that is over. Returns when
    /// that time is over, for others who must end with it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Drained {
        let connections = Arc::new(Semaphore::new(self.limits.max_connections));
        let graceful = GracefulShutdown::new();
        let serve = |(stream, peer, permit): Accepted| {
            let connection = graceful.watch(connection(stream, peer, self.service.clone(), self.limits));
            tokio::spawn(async move {
                // A client that breaks its connection off is no news.
                let _ = connection.await;
                drop(permit);
            });
        };
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &connections) => serve(accepted),
            }
        }
        // Clients that have connected already believe that they are being served.
        while let Some(accepted) = accept(&self.listener, &connections).now_or_never() {
            serve(accepted);
        }
        drop(self.listener);
        let deadline = Instant::now() + self.limits.drain_timeout;
        if tokio::time::timeout_at(deadline, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still running at the end of server.drain_timeout and are broken off");
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
async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> Accepted {
    /// Out of descriptors or memory: connections that end in the meantime free some.
    const BACK_OFF: Duration = Duration::from_millis(100);
    loop {
        let Ok(permit) = Arc::clone(connections).acquire_owned().await else { return std::future::pending().await };
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

/// One connection with all its requests.
fn connection<S>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    limits: Limits,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Small answers should not wait for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        service.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), service)
}

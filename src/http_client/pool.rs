//! Connections to one server, which requests that may be repeated share.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::cause::{Cause, ConnectError};
use super::connection::{Connection, SendError};
use super::connector::Connector;
use super::head::Head;
use super::{ConnectConfig, ConnectLog, ConnectorError, Origin};

/// Connections to one server. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Origin,
    connector: Connector,
    /// How long a connection is reused after it was made.
    max_age: Duration,
    idle: Mutex<Idle>,
}

/// The connections without a request. There are never more than there were requests at the same time.
#[derive(Debug, Default)]
struct Idle {
    /// The one used last is at the end.
    connections: Vec<(Connection, Instant)>,
    /// Whether a task closes those that expire.
    is_watched: bool,
}

/// The body of an answer. Read to its end, it makes its connection available for another request; dropped before, it closes
/// the connection.
#[derive(Debug)]
pub(crate) struct Body {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    /// The pool of the connection, and how long it may be idle there. `None` if it is for one request only.
    returned_to: Option<(Arc<Inner>, Duration)>,
}

/// How long a connection is idle at most: less than servers keep it open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection is no longer used this time before its server closes it.
const IDLE_MARGIN: Duration = Duration::from_secs(1);

impl Pool {
    pub(crate) fn try_new(
        server: Origin,
        config: &ConnectConfig,
        connect_timeout: Duration,
        max_age: Duration,
        log: ConnectLog,
    ) -> Result<Self, ConnectorError> {
        let connector = Connector::try_new(config, connect_timeout, log)?;
        Ok(Self(Arc::new(Inner { server, connector, max_age, idle: Mutex::default() })))
    }

    /// Whether a proxy reads the requests, which then need their target in absolute form.
    pub(crate) fn is_forwarding(&self) -> bool {
        self.0.connector.is_forwarding()
    }

    /// Whether connections lead to the server itself, so that requests can be sent to the address that others went to.
    pub(crate) fn is_direct(&self) -> bool {
        self.0.connector.is_direct()
    }

    /// Sends a request that may arrive twice, at this address if one is given, and waits for the head of the answer, which `read`
    /// takes what it needs from. Returns also which address answered.
    ///
    /// A reused connection may be closed by the server at the moment of the request, and nothing can tell beforehand. A request
    /// that ends so, without a byte of an answer, is repeated once on a new connection.
    pub(crate) async fn send<T>(
        &self,
        address: Option<SocketAddr>,
        request: &[u8],
        read: impl Fn(&Head<'_>) -> T,
    ) -> Result<(T, Body, SocketAddr), SendError> {
        const REQUEST_TIMEOUT: u16 = 408;
        let read = |head: &Head<'_>| (head.status, idle_timeout(head), read(head));
        if let Some(mut connection) = self.take(address) {
            match connection.send(request, &read).await {
                // Some servers say that they closed an idle connection.
                Ok((REQUEST_TIMEOUT, ..))
                | Err(SendError::NotSent(Cause::Reset) | SendError::ConnectionLost { is_unanswered: true }) => {}
                Ok((_, idle, value)) => return Ok(self.keep(connection, idle, value)),
                Err(error) => return Err(error),
            }
        }
        // Boxed, because it is seldom needed and larger than all the rest.
        let mut connection = Box::pin(self.connect(address)).await?;
        let (_, idle, value) = self.send_on(&mut connection, request, &read).await?;
        if address.is_some() {
            // It was made without a lookup, so it must not lead others to an address that the name has left.
            let peer = connection.peer();
            return Ok((value, Body::of_one(connection), peer));
        }
        Ok(self.keep(connection, idle, value))
    }

    /// A new connection for one request that must not arrive twice, at this address if one is given.
    pub(crate) async fn connect(&self, address: Option<SocketAddr>) -> Result<Connection, SendError> {
        let Inner { connector, server, .. } = &*self.0;
        let stream = connector.connect(server, address).await.map_err(|error| SendError::NotSent(error.cause))?;
        Ok(Connection::new(stream))
    }

    /// Sends the one request of a connection, which is closed afterwards.
    pub(crate) async fn send_once<T>(
        &self,
        mut connection: Connection,
        request: &[u8],
        read: impl Fn(&Head<'_>) -> T,
    ) -> Result<(T, Body), SendError> {
        let value = self.send_on(&mut connection, request, read).await?;
        Ok((value, Body::of_one(connection)))
    }

    async fn send_on<T>(
        &self,
        connection: &mut Connection,
        request: &[u8],
        read: impl Fn(&Head<'_>) -> T,
    ) -> Result<T, SendError> {
        let result = connection.send(request, read).await;
        if let Err(SendError::NotSent(cause)) = result {
            let error = std::io::Error::other("the server rejected the connection before it read the request");
            self.0.connector.report(&ConnectError::new(cause, Some(connection.peer()), error));
        }
        result
    }

    /// The idle connection that was used last, to this address if one is given. Rather one whose socket this runtime
    /// waits for: its answer wakes no other thread.
    fn take(&self, address: Option<SocketAddr>) -> Option<Connection> {
        loop {
            let mut connection = {
                let connections = &mut self.0.idle.lock().connections;
                let now = Instant::now();
                let is_right = |(connection, expires): &(Connection, Instant)| {
                    *expires > now && address.is_none_or(|address| address == connection.peer())
                };
                let runtime = Handle::current().id();
                let is_near = |entry: &(Connection, Instant)| entry.0.runtime() == runtime && is_right(entry);
                let position = connections.iter().rposition(is_near).or_else(|| connections.iter().rposition(is_right))?;
                connections.remove(position).0
            };
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    /// Attaches the connection to the answer that it brings.
    fn keep<T>(&self, connection: Connection, idle: Duration, value: T) -> (T, Body, SocketAddr) {
        let peer = connection.peer();
        (value, Body { connection: Some(connection), returned_to: Some((Arc::clone(&self.0), idle)) }, peer)
    }
}

impl Inner {
    fn put_back(self: &Arc<Self>, mut connection: Connection, idle_timeout: Duration) {
        let now = Instant::now();
        let expires = (now + idle_timeout).min(connection.made_at() + self.max_age);
        if expires <= now {
            return;
        }
        connection.shrink();
        let mut idle = self.idle.lock();
        idle.connections.push((connection, expires));
        if !idle.is_watched {
            idle.is_watched = true;
            tokio::spawn(close_expired(Arc::downgrade(self)));
        }
    }
}

/// Closes connections when they expire, until there are none.
async fn close_expired(pool: Weak<Inner>) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let mut idle = pool.idle.lock();
            let now = Instant::now();
            idle.connections.retain(|(_, expires)| *expires > now);
            let next = idle.connections.iter().map(|(_, expires)| *expires).min();
            idle.is_watched = next.is_some();
            next
        };
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

impl Body {
    /// The body of an answer whose connection is not used again.
    const fn of_one(connection: Connection) -> Self {
        Self { connection: Some(connection), returned_to: None }
    }

    /// The next chunk, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<&[u8], SendError>> {
        self.connection.as_mut()?.next_chunk().await
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let (Some(connection), Some((pool, idle_timeout))) = (self.connection.take(), self.returned_to.take())
            && connection.is_reusable()
        {
            pool.put_back(connection, idle_timeout);
        }
    }
}

/// How long the connection of an answer may be idle: less than its server announces (`Keep-Alive: timeout=5`).
fn idle_timeout(head: &Head<'_>) -> Duration {
    head.text("keep-alive")
        .and_then(announced_timeout)
        .map_or(IDLE_TIMEOUT, |announced| announced.saturating_sub(IDLE_MARGIN).min(IDLE_TIMEOUT))
}

/// The `timeout` parameter of a `Keep-Alive` header.
fn announced_timeout(value: &str) -> Option<Duration> {
    value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;
    use url::Url;

    use super::*;
    use crate::metrics::Metrics;

    /// A server whose first connection answers everything with 201, the second with 202, and so on.
    fn numbered_connections() -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = |mut stream: TcpStream, status: u16| {
            while stream.read(&mut [0; 1024]).unwrap() > 0 {
                write!(stream, "HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        };
        thread::spawn(move || {
            for (stream, status) in listener.incoming().zip(201..) {
                thread::spawn(move || serve(stream.unwrap(), status));
            }
        });
        format!("http://{address}").parse().unwrap()
    }

    /// The status of an answer, and its body, which holds the connection.
    async fn send(pool: &Pool) -> (u16, Body) {
        // A connection of the other runtime, which is not running, would never answer.
        let answer = timeout(Duration::from_secs(5), pool.send(None, b"GET / HTTP/1.1\r\n\r\n", |head| head.status)).await;
        let (status, body, _) = answer.expect("a connection of this runtime").unwrap();
        (status, body)
    }

    #[test]
    fn idle_connection_of_the_same_runtime_is_used_first() {
        let (url, time) = (numbered_connections(), Duration::from_mins(1));
        let log = ConnectLog::of_issuer(Metrics::default());
        let pool = Pool::try_new(Origin::of(&url).unwrap(), &ConnectConfig::direct(&url), time, time, log).unwrap();
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let (here, there) = (runtime(), runtime());
        // The body gives its connection back within the runtime, as in a task.
        let status = |runtime: &Runtime| runtime.block_on(async { send(&pool).await.0 });

        let (first, held) = here.block_on(send(&pool));
        assert_eq!((first, status(&there)), (201, 202));
        here.block_on(async { drop(held) });

        assert_eq!(status(&there), 202, "not the one that was used last");
        assert_eq!(status(&here), 201, "not the one that was used last");
    }

    #[test]
    fn idle_timeout_is_less_than_the_server_announces() {
        for (announced, seconds) in [
            ("timeout=2", 1),
            ("timeout=2, max=100", 1),
            ("max=100, timeout=3", 2),
            ("Timeout = 2", 1),
            ("timeout=\"2\"", 1),
            ("timeout=60", 3),
            ("timeout=4", 3),
            // A connection that the server closes at once is not used again.
            ("timeout=1", 0),
            ("timeout=0", 0),
            // What is not understood announces nothing.
            ("", 3),
            ("timeout", 3),
            ("timeout=", 3),
            ("timeout=soon", 3),
            ("timeout=-1", 3),
            ("timeout=1.5", 3),
            ("timeout=99999999999999999999", 3),
            ("max=1", 3),
            ("idle-timeout=1", 3),
            ("timeout;2", 3),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {announced}\r\n\r\n");
            let idle = Head::parse(head.as_bytes(), idle_timeout).unwrap();
            assert_eq!(idle, Duration::from_secs(seconds), "{announced:?}");
        }
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n", idle_timeout).unwrap(), IDLE_TIMEOUT);
    }
}

//! Makes connections: looks the name up, tries the addresses, opens the proxy's tunnel, completes the TLS handshake.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsConnector;

use super::cause::{Cause, ConnectError};
use super::connect_log::ConnectLog;
use super::next_hop::NextHop;
use super::stream::Stream;
use super::{AddressError, ConnectConfig, Origin, TrustStoreError};
use crate::config::Loaded;

/// How long an address is tried alone (RFC 8305, section 5), unless there are so many that each gets less of the timeout.
const HEAD_START: Duration = Duration::from_millis(250);
/// The longest answer of a proxy to CONNECT.
const MAX_TUNNEL_HEAD: usize = 8 * 1024;

/// Makes connections to the servers that share its settings.
#[derive(Debug)]
pub(super) struct Connector {
    hop: NextHop,
    tls: Option<Loaded<ClientConfig>>,
    local_address: Option<IpAddr>,
    timeout: Duration,
}

type Result<T> = std::result::Result<T, ConnectError>;

impl Connector {
    /// `timeout` is for everything from the lookup to the end of the TLS handshake, at all addresses together.
    pub(super) fn try_new(
        config: &ConnectConfig,
        timeout: Duration,
        log: ConnectLog,
    ) -> std::result::Result<Self, ConnectorError> {
        let local_address = config.local_address;
        Ok(Self { hop: NextHop::try_new(config, log)?, tls: config.tls.config()?, local_address, timeout })
    }

    /// Whether requests are forwarded by a proxy that reads them.
    pub(super) const fn is_forwarding(&self) -> bool {
        self.hop.is_proxy() && self.tls.is_none()
    }

    /// Whether the other end of a connection is the server itself, so that its address can be chosen.
    pub(super) const fn is_direct(&self) -> bool {
        !self.hop.is_proxy()
    }

    /// A connection to a server, at this address if one is given.
    pub(super) async fn connect(&self, server: &Origin, address: Option<SocketAddr>) -> Result<Stream> {
        let deadline = Instant::now() + self.timeout;
        let addresses = match address {
            Some(address) => vec![address],
            None => self.hop.look_up(server, deadline).await?,
        };
        let stream = self.race(server, &addresses, deadline).await?;
        self.hop.record_success(stream.peer(), &addresses);
        Ok(stream)
    }

    /// Records a connection that was of no use after it had been made.
    pub(super) fn report(&self, error: &ConnectError) {
        self.hop.report(error);
    }

    /// Tries the addresses one after another, each with a head start before the next, and returns the first connection. Only
    /// that one is ever used for a request; the others are closed.
    async fn race(&self, server: &Origin, addresses: &[SocketAddr], deadline: Instant) -> Result<Stream> {
        let share = self.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let head_start = HEAD_START.min(share);
        let mut waiting = addresses.iter().copied();
        let mut running = FuturesUnordered::new();
        let mut unanswered: Vec<SocketAddr> = Vec::new();
        let mut failure: Option<ConnectError> = None;
        let mut next_start = Instant::now();
        loop {
            if (running.is_empty() || Instant::now() >= next_start)
                && let Some(address) = waiting.next()
            {
                running.push(async move { (address, self.dial(server, address, deadline).await) });
                unanswered.push(address);
                next_start = Instant::now() + head_start;
            }
            let ended = tokio::select! {
                biased;
                Some(ended) = running.next() => ended,
                () = sleep_until(next_start), if waiting.len() > 0 => continue,
                else => return Err(failure.unwrap_or_else(|| ConnectError::new(Cause::Other, None, io::ErrorKind::NotFound.into()))),
            };
            match ended {
                (address, Ok(stream)) => {
                    // Those before it had longer and have not answered.
                    for slow in unanswered.into_iter().take_while(|slow| *slow != address) {
                        let error = io::Error::new(io::ErrorKind::TimedOut, "another address was faster");
                        self.hop.record_failure(&ConnectError::new(self.hop.cause_at(Cause::Timeout), Some(slow), error));
                    }
                    return Ok(stream);
                }
                (address, Err(error)) => {
                    self.hop.record_failure(&error);
                    unanswered.retain(|known| *known != address);
                    error.keep(&mut failure);
                    next_start = Instant::now();
                }
            }
        }
    }

    /// One attempt at one address, which is the proxy's if there is one.
    async fn dial(&self, server: &Origin, address: SocketAddr, deadline: Instant) -> Result<Stream> {
        let at = |cause, error| ConnectError::new(cause, Some(address), error);
        let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);

        let mut tcp = match timeout_at(deadline, self.open(address)).await {
            Ok(opened) => opened.map_err(|(cause, error)| at(self.hop.cause_at(cause), error))?,
            Err(elapsed) => return Err(at(self.hop.cause_at(Cause::Timeout), timed_out(elapsed))),
        };
        let Some(tls) = &self.tls else { return Ok(Stream::plain(tcp, address)) };
        if self.hop.is_proxy() {
            match timeout_at(deadline, open_tunnel(&mut tcp, server)).await {
                Ok(opened) => opened.map_err(|(cause, error)| at(cause, error))?,
                Err(elapsed) => return Err(at(Cause::ProxyFailed, timed_out(elapsed))),
            }
        }
        let handshake = TlsConnector::from(tls.get()).connect(server.tls_name.clone(), tcp);
        match timeout_at(deadline, handshake).await {
            Ok(Ok(tls)) => Ok(Stream::tls(tls, address)),
            Ok(Err(error)) => Err(at(Cause::of_handshake(&error), error)),
            Err(elapsed) => Err(at(Cause::TlsTimeout, timed_out(elapsed))),
        }
    }

    /// A TCP connection from the configured source address.
    async fn open(&self, address: SocketAddr) -> std::result::Result<TcpStream, (Cause, io::Error)> {
        let with_cause = |error: io::Error| (Cause::of_io(&error), error);
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(with_cause)?;
        if let Some(local) = self.local_address {
            socket.bind((local, 0).into()).map_err(|error| match error.kind() {
                io::ErrorKind::AddrNotAvailable => (Cause::LocalAddress, error),
                _ => with_cause(error),
            })?;
        }
        let stream = socket.connect(address).await.map_err(with_cause)?;
        // Requests are written at once; a socket that refuses the option works too.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// Why there is no connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// Certificates could not be verified.
    #[error(transparent)]
    TrustStore(#[from] TrustStoreError),
    /// The server, or the proxy, has no host.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Makes a proxy connect to the server (CONNECT). Servers do not speak first in TLS, so nothing follows the proxy's answer.
async fn open_tunnel(tcp: &mut TcpStream, server: &Origin) -> std::result::Result<(), (Cause, io::Error)> {
    let failed = |error| (Cause::ProxyFailed, error);
    let authority = server.authority();
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_TUNNEL_HEAD {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "the proxy's answer is too long")));
        }
        if tcp.read_buf(&mut head).await.map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| std::str::from_utf8(code).ok());
    match status.and_then(|code| code.parse::<u16>().ok()) {
        Some(200..=299) => Ok(()),
        Some(407) => Err((Cause::ProxyAuthentication, io::Error::other("the proxy answered with HTTP status 407"))),
        Some(status) => Err((Cause::ProxyRefused, io::Error::other(format!("the proxy answered with HTTP status {status}")))),
        None => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "the proxy's answer is not HTTP"))),
    }
}

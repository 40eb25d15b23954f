//! Outgoing connections: one model for upstreams, their proxies and the issuer's keys.
//!
//! Only the configuration decides where a connection goes and which certificates it trusts: no proxy is taken from the
//! environment, and redirects are not followed.
//!
//! **Why a pool of our own.** The issuer's documents are fetched, and JSON systems are called, with `reqwest` ([`client`]): there a
//! repetition is free, or recognised by its key. Calls to legacy systems need what it and the pool below it, hyper-util's legacy client, cannot do: connections have no largest age there, so a busy one never follows a
//! name that moves; a request cannot be bound to the address that another one went to; and an error does not say whether the
//! connection was reused, which decides whether a repetition is free. So [`pool`] keeps the connections, and writes have none to
//! share. A [`connection`] is not hyper's either, whose client needs a task, two channels and new buffers for each request, and
//! does not say which bytes went out; `httparse` reads the heads of both. `cargo bench --bench http_client` compares all of them
//! in allocations, CPU time and memory.
//!
//! **Making a connection** ([`connector`], [`next_hop`]). The name is looked up for every connection. Its addresses are tried
//! one after another, each with a head start of 250 ms or its share of the timeout, families in turn (RFC 8305); the first that
//! completes everything, the TLS handshake and the proxy's tunnel included, is used and the others are closed. An address that
//! failed or was overtaken is tried last for 30 s. A request is written to one connection only, after all of this, so that a
//! failure up to here proves that nothing was sent. `reqwest` is given one of these addresses for each attempt, and the next one
//! when its share of the timeout is over.
//!
//! **Which address.** An answer is evidence about a write only if it comes from the machine that the write went to. So the reads
//! that belong to a write, before and after it, are bound to its address: the first of them chooses, the others dial that
//! address and no other ([`crate::backend::RequestContext::pinned`]). If it has died, they fail, and prove nothing. Behind a
//! proxy this is not possible: there, the proxy chooses.
//!
//! **Using a connection again** ([`pool`]). Only requests that may arrive twice share connections: on a reused one, a failure
//! cannot tell whether the server has received the request, which is also why each write gets a connection of its own. A
//! connection is idle for at most 3 s, less if the server announces less (`Keep-Alive: timeout`), and it is not used beyond
//! `max_connection_age`, so that reads follow when a name moves to another address. A server may close an idle connection at
//! the moment of a request. A read that ends so before a byte of an answer is repeated once on a new connection, at once and
//! without a charge to the retry budget, because the failure says nothing about the server's health.
//!
//! **Reading an answer** ([`head`], [`framing`]). Header lines that are not used may be wrong. Those that delimit the body are
//! read strictly: an answer whose length is in doubt is never a success.
//!
//! **Failing** ([`cause`], [`connect_log`]). Every failure has one of a closed set of causes, each with what to do about it, in
//! the log and as a label of a metric. Causes of the gateway's own, such as missing file descriptors, are not blamed on the
//! server: clients get 503, and the circuit breaker does not count them.
//!
//! For HTTPS the proxy opens a tunnel (CONNECT) and sees nothing of the requests. For plain HTTP it forwards them, so proxy
//! errors are indistinguishable from responses.

mod addresses;
mod cause;
mod client;
mod connect_log;
mod connection;
mod connector;
mod dates;
mod framing;
mod head;
mod next_hop;
mod pool;
mod stream;

use std::error::Error as StdError;
use std::net::IpAddr;

use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::config::{Loaded, Resolver};
use crate::tls::{self, MinVersion};

pub(crate) use cause::Cause;
pub(crate) use client::{Connections, HttpClient, HttpError, Request};
pub(crate) use connect_log::ConnectLog;
pub(crate) use connection::{Connection, SendError};
pub use connector::ConnectorError;
pub(crate) use dates::{clock_skew, retry_after};
pub(crate) use head::Head;
pub(crate) use pool::{Body, Pool};

/// How servers are connected to.
#[derive(Debug, Clone)]
pub(crate) struct ConnectConfig {
    pub(crate) tls: TlsMode,
    /// The HTTP proxy that connections go through.
    pub(crate) proxy: Option<Uri>,
    /// The source address of connections.
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) resolver: Resolver,
}

/// Whether connections use TLS, and which certificate authorities they trust.
#[derive(Debug, Clone)]
pub(crate) enum TlsMode {
    /// No TLS.
    Off,
    /// TLS with the trust store of the operating system.
    Platform,
    /// TLS as configured. Read for each connection, so that reloaded certificates are used.
    Configured(Loaded<ClientConfig>),
}

/// The operating system has no usable trust store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no usable certificate authorities on this machine")]
pub struct TrustStoreError;

/// A URL has no host that can be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL has no host that can be connected to")]
pub struct AddressError;

/// What the gateway calls itself.
pub(crate) const AGENT: &str = concat!("tjansteguiden-gateway/", env!("CARGO_PKG_VERSION"));

/// A server by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    host: String,
    port: u16,
    tls_name: ServerName<'static>,
}

impl ConnectConfig {
    /// Without a proxy, for HTTPS with the trust store of the operating system.
    pub(crate) fn direct(url: &Url) -> Self {
        let tls = if url.scheme() == "http" { TlsMode::Off } else { TlsMode::Platform };
        Self { tls, proxy: None, local_address: None, resolver: Resolver::default() }
    }

    /// With the configured TLS settings, if there are any.
    pub(crate) fn with_roots(mut self, tls: Option<&Loaded<ClientConfig>>) -> Self {
        if let Some(tls) = tls {
            self.tls = TlsMode::Configured(tls.clone());
        }
        self
    }
}

impl TlsMode {
    /// The TLS settings; `None` for plain connections.
    fn config(&self) -> Result<Option<Loaded<ClientConfig>>, TrustStoreError> {
        match self {
            Self::Off => Ok(None),
            Self::Platform => {
                let config = tls::client(None, None, MinVersion::default()).map_err(|_| TrustStoreError)?;
                Ok(Some(Loaded::given("", config)))
            }
            Self::Configured(config) => Ok(Some(config.clone())),
        }
    }
}

impl Origin {
    pub(crate) fn of(url: &Url) -> Result<Self, AddressError> {
        let host = match url.host().ok_or(AddressError)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or(AddressError)?;
        let tls_name = ServerName::try_from(host.clone()).map_err(|_| AddressError)?;
        Ok(Self { host, port, tls_name })
    }

    fn of_uri(uri: &Uri) -> Result<Self, AddressError> {
        Self::of(&Url::parse(&uri.to_string()).map_err(|_| AddressError)?)
    }

    /// Host and port, as in a CONNECT request.
    fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

/// The value of the `Host` header for a URL.
pub(crate) fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// An error with everything that caused it, as one line for the log.
pub(crate) fn error_chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

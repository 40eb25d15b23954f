//! Where connections to a server lead: to its own addresses, or to those of its proxy.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout_at};

use super::addresses::AddressBook;
use super::cause::{Cause, ConnectError};
use super::connect_log::ConnectLog;
use super::{AddressError, ConnectConfig, Origin};
use crate::config::Resolver;

/// Looks addresses up, and remembers what became of attempts at them.
#[derive(Debug)]
pub(super) struct NextHop {
    proxy: Option<Origin>,
    local_address: Option<IpAddr>,
    resolver: Resolver,
    addresses: AddressBook,
    log: ConnectLog,
}

impl NextHop {
    pub(super) fn try_new(config: &ConnectConfig, log: ConnectLog) -> Result<Self, AddressError> {
        Ok(Self {
            proxy: config.proxy.as_ref().map(Origin::of_uri).transpose()?,
            local_address: config.local_address,
            resolver: config.resolver.clone(),
            addresses: AddressBook::default(),
            log,
        })
    }

    pub(super) const fn is_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// The addresses of a server, or of the proxy if there is one, in the order in which to try them.
    pub(super) async fn look_up(&self, server: &Origin, deadline: Instant) -> Result<Vec<SocketAddr>, ConnectError> {
        self.try_look_up(self.proxy.as_ref().unwrap_or(server), deadline).await.inspect_err(|error| self.log.failed(error))
    }

    async fn try_look_up(&self, host: &Origin, deadline: Instant) -> Result<Vec<SocketAddr>, ConnectError> {
        let failed = |error: io::Error| {
            // Without descriptors the resolver cannot ask, and its error does not say so.
            let cause = TcpSocket::new_v4().err().map(|error| Cause::of_io(&error)).filter(|cause| cause.is_own());
            ConnectError::new(cause.unwrap_or_else(|| self.cause_at(Cause::Dns)), None, error)
        };
        let found = timeout_at(deadline, self.resolver.lookup(&host.host, host.port)).await;
        let found = found.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
        if found.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        let is_usable = |address: &SocketAddr| self.local_address.is_none_or(|local| local.is_ipv4() == address.is_ipv4());
        let usable: Vec<_> = found.into_iter().filter(is_usable).collect();
        if usable.is_empty() {
            let error =
                io::Error::new(io::ErrorKind::AddrNotAvailable, "the server has no address of the family of local_address");
            return Err(ConnectError::new(Cause::LocalAddress, None, error));
        }
        Ok(self.addresses.order(usable))
    }

    /// The cause of a failure on the way to the next hop: with a proxy, it is the proxy that cannot be reached.
    pub(super) const fn cause_at(&self, cause: Cause) -> Cause {
        match cause {
            Cause::Dns | Cause::Refused | Cause::Timeout | Cause::Unreachable | Cause::Reset | Cause::Other
                if self.proxy.is_some() =>
            {
                Cause::ProxyUnreachable
            }
            cause => cause,
        }
    }

    /// Records an attempt at an address that failed. What the gateway itself lacks says nothing about the address.
    pub(super) fn record_failure(&self, error: &ConnectError) {
        if let (Some(address), false) = (error.address, error.cause.is_own()) {
            self.addresses.record_failure(address);
        }
        self.log.failed(error);
    }

    /// Records a connection to one of these addresses.
    pub(super) fn record_success(&self, address: SocketAddr, of: &[SocketAddr]) {
        self.addresses.record_success(address);
        if !self.addresses.has_failed(of) {
            self.log.succeeded();
        }
    }

    /// Logs and counts a connection that was of no use after it had been made.
    pub(super) fn report(&self, error: &ConnectError) {
        self.log.failed(error);
    }
}

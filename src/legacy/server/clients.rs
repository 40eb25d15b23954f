//! Who may call: each client by its user and address, or by a login.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::hash::Signer;
use super::request::RawParams;
use crate::backend::Backend;
use crate::charset::Charset;
use crate::config::{Dialect, Secret};
use crate::legacy::methods::Method;
use crate::model::now;

/// A program that may call.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// The user that it sends: in the network dialect with every call, in the provider dialect with the login.
    pub api_user: Secret,
    /// The key that it sends with the login of the provider dialect.
    pub api_key: Option<Secret>,
    /// The networks that it calls from. Without any, a client of the provider dialect may call from anywhere.
    pub allowed_ips: Vec<IpNet>,
    /// The charset of its requests.
    pub charset: Charset,
    /// The system that its calls go to.
    pub system: System,
}

/// A named system behind the server.
#[derive(Clone)]
pub struct System {
    /// Its name in logs and metrics; of several, the names of those that a list comes from.
    pub name: Arc<str>,
    /// What answers its calls. A write must run to its end even if its future is dropped.
    pub backend: Arc<dyn Backend>,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("System").field(&self.name).finish()
    }
}

/// All clients, and what is known of failed logins.
#[derive(Debug)]
pub(super) struct Clients {
    dialect: Dialect,
    known: Vec<Client>,
    signer: Option<Signer>,
    failed_logins: FailedLogins,
}

impl Clients {
    pub(super) fn new(dialect: Dialect, clients: Vec<Client>, signer: Option<Signer>) -> Self {
        Self { dialect, known: clients, signer, failed_logins: FailedLogins::default() }
    }

    /// Who calls from this address; `None` for anyone unknown.
    pub(super) fn authenticate(&self, method: Method, params: &RawParams, address: IpAddr) -> Option<&Client> {
        match (self.dialect, method) {
            (Dialect::Network, _) => self.by_address(params, address),
            (Dialect::Provider, Method::ApiLogin) => self.by_login(params, address),
            (Dialect::Provider, Method::AddMessage) if !params.has("hash") => self.by_address(params, address),
            (Dialect::Provider, _) => self.by_hash(params, address),
        }
    }

    /// The hash that a client gets for its login.
    pub(super) fn login_hash(&self, client: &Client) -> Option<String> {
        self.signer.as_ref().map(|signer| client.api_user.with(|api_user| signer.login_hash(api_user, now())))
    }

    pub(super) const fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    fn by_address(&self, params: &RawParams, address: IpAddr) -> Option<&Client> {
        let api_user = params.only("api_user")?;
        self.find(|client| client.has_user(api_user)).filter(|client| client.is_allowed(address))
    }

    fn by_login(&self, params: &RawParams, address: IpAddr) -> Option<&Client> {
        if self.failed_logins.are_too_many(address) {
            return None;
        }
        let (api_user, api_key) = (params.only("api_user").unwrap_or_default(), params.only("api_key").unwrap_or_default());
        let client = self.find(|client| client.has_user(api_user) & client.has_key(api_key));
        let client = client.filter(|client| client.may_call_from(address));
        if client.is_none() {
            self.failed_logins.add(address);
        }
        client
    }

    fn by_hash(&self, params: &RawParams, address: IpAddr) -> Option<&Client> {
        let (hash, signer, now) = (params.only("hash")?, self.signer.as_ref()?, now());
        let client = self.find(|client| client.api_user.with(|api_user| signer.is_login(hash, api_user, now)));
        client.filter(|client| client.may_call_from(address))
    }

    /// The client that a condition holds for. It is evaluated for all of them, so that time says nothing about which it is.
    fn find(&self, is_it: impl Fn(&Client) -> bool) -> Option<&Client> {
        self.known.iter().fold(None, |found, client| if is_it(client) { found.or(Some(client)) } else { found })
    }
}

impl Client {
    fn has_user(&self, api_user: &[u8]) -> bool {
        self.api_user.with(|known| is_equal(known.as_bytes(), api_user))
    }

    fn has_key(&self, api_key: &[u8]) -> bool {
        self.api_key.as_ref().is_some_and(|known| known.with(|known| is_equal(known.as_bytes(), api_key)))
    }

    /// Whether it is known to call from this address.
    fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed_ips.iter().any(|network| network.contains(&address))
    }

    /// Whether nothing says that it does not call from this address.
    fn may_call_from(&self, address: IpAddr) -> bool {
        self.allowed_ips.is_empty() || self.is_allowed(address)
    }
}

/// Compares in a time that depends on neither text.
fn is_equal(known: &[u8], given: &[u8]) -> bool {
    verify_slices_are_equal(digest(&SHA256, known).as_ref(), digest(&SHA256, given).as_ref()).is_ok()
}

/// Failed logins by address: ten, of which one is forgotten every six seconds.
#[derive(Debug, Default)]
struct FailedLogins(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    /// When all failures of an address are forgotten.
    forgotten_at: HashMap<IpAddr, Instant>,
    /// The number of addresses at which those without failures are removed.
    sweep_at: usize,
}

const MAX_FAILURES: u32 = 10;
const FORGET_ONE: Duration = Duration::from_secs(6);
const MIN_SWEEP: usize = 1024;

impl FailedLogins {
    fn are_too_many(&self, address: IpAddr) -> bool {
        let time_left = self.0.lock().forgotten_at.get(&network_of(address)).map(|at| at.duration_since(Instant::now()));
        time_left.is_some_and(|time| time > FORGET_ONE * (MAX_FAILURES - 1))
    }

    fn add(&self, address: IpAddr) {
        let mut failures = self.0.lock();
        let now = Instant::now();
        if failures.forgotten_at.len() >= failures.sweep_at {
            failures.forgotten_at.retain(|_, at| *at > now);
            failures.sweep_at = MIN_SWEEP.max(2 * failures.forgotten_at.len());
        }
        let at = failures.forgotten_at.entry(network_of(address)).or_insert(now);
        *at = now.max(*at) + FORGET_ONE;
    }
}

/// An IPv6 client has a /64 network of its own, and may take any address in it.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_failed_logins_are_forgotten_one_every_six_seconds() {
        let (logins, address) = (FailedLogins::default(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..10 {
            assert!(!logins.are_too_many(address));
            logins.add(address);
        }

        assert!(logins.are_too_many(address));
        assert!(!logins.are_too_many(IpAddr::from([192, 0, 2, 2])));

        tokio::time::advance(Duration::from_millis(5_999)).await;
        assert!(logins.are_too_many(address));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!logins.are_too_many(address));
        logins.add(address);
        assert!(logins.are_too_many(address));

        tokio::time::advance(Duration::from_mins(1)).await;
        assert!((0..10).all(|_| {
            let is_free = !logins.are_too_many(address);
            logins.add(address);
            is_free
        }));
        assert!(logins.are_too_many(address));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_share_their_failures() {
        let logins = FailedLogins::default();
        for host in 0..10_u16 {
            logins.add(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]));
        }

        assert!(logins.are_too_many(IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9])));
        assert!(!logins.are_too_many(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 0])));
    }

    #[tokio::test(start_paused = true)]
    async fn forgotten_failures_take_no_memory() {
        let logins = FailedLogins::default();
        let add_all = |third: u8| (0..=255).for_each(|fourth| logins.add(IpAddr::from([192, 0, third, fourth])));
        (0..8).for_each(add_all);
        tokio::time::advance(Duration::from_mins(1)).await;
        (8..16).for_each(add_all);

        assert!(logins.0.lock().forgotten_at.len() <= 2048 + 256);
    }
}

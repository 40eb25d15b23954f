//! The configuration: a TOML file with environment variables over it.
//!
//! `upstreams.default.url` in the file is `GATEWAY__UPSTREAMS__DEFAULT__URL` in the environment, which wins; lists are
//! comma-separated there. A key whose value is secret may end in `_file` instead and then names a file. Everything is
//! checked at start, and every fault is told at once: unknown keys, missing ones, values that do not fit.

mod auth;
mod log;
mod reload;
mod secret;
mod server;
mod settings;
mod tls;
mod upstream;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use auth::{Auth, AuthMode, Client, Jwt, KeyHash, hash_of_key};
pub use log::{Log, LogFormat};
pub use reload::{Contents, Loaded, Reload, ReloadOutcome};
pub use secret::Secret;
pub use server::Server;
pub(crate) use upstream::is_loopback;
pub use upstream::{Dialect, Upstream};

use settings::Settings;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Section `server`: the gateway's own sockets.
    pub server: Server,
    /// Section `auth`: who may call.
    pub auth: Auth,
    /// Section `log`.
    pub log: Log,
    /// Sections `upstreams.<name>`: the order systems.
    pub upstreams: BTreeMap<String, Upstream>,
}

/// Every fault of a configuration, each with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

impl Config {
    /// Reads the file, if there is one, and lays the environment over it.
    ///
    /// # Errors
    /// All faults at once.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        let mut settings = Settings::load(file, environment);
        let server = Server::read(&mut settings);
        let names = settings.names_below("upstreams");
        let auth = Auth::read(&mut settings, &names);
        let log = Log::read(&mut settings);
        let mut upstreams = BTreeMap::new();
        for name in names {
            if let Some(upstream) = Upstream::read(&mut settings, &name) {
                upstreams.insert(name, upstream);
            }
        }
        let config = Self { server, auth, log, upstreams };
        config.check(&mut settings);
        settings.finish().map(|()| config).map_err(Faults)
    }

    /// Everything that is to be read anew when its files change.
    #[must_use]
    pub fn reloads(&self) -> Vec<Box<dyn Reload>> {
        let mut reloads: Vec<Box<dyn Reload>> = Vec::new();
        match &self.auth.mode {
            AuthMode::None => {}
            AuthMode::ApiKey(clients) => {
                reloads.extend(clients.values().map(|client| Box::new(client.key_sha256.clone()) as Box<dyn Reload>));
            }
            AuthMode::Jwt(jwt) => reloads.extend(jwt.tls.iter().map(|tls| Box::new(tls.clone()) as Box<dyn Reload>)),
        }
        let mut add = |secret: &Secret| reloads.push(Box::new(secret.clone()));
        self.server.secret.iter().chain(&self.server.previous_secret).for_each(&mut add);
        for upstream in self.upstreams.values() {
            [&upstream.api_user].into_iter().chain(&upstream.api_key).for_each(&mut add);
        }
        reloads.extend(self.server.tls.iter().map(|tls| Box::new(tls.clone()) as Box<dyn Reload>));
        let upstreams = self.upstreams.values().filter_map(|upstream| upstream.tls.clone());
        reloads.extend(upstreams.map(|tls| Box::new(tls) as Box<dyn Reload>));
        reloads
    }

    /// What no section can tell alone.
    fn check(&self, settings: &mut Settings) {
        let upstreams = settings.names_below("upstreams").len();
        if upstreams == 0 {
            let url =
                "is missing: the address of the order system, such as https://portal.example/admin/edit/services/plain/orders";
            settings.fault("upstreams.default.url", url);
            settings.fault("upstreams.default.api_user", "is missing: the user that the order system knows the gateway by");
        }
        if self.server.listen == self.server.ops_listen && self.server.listen.port() != 0 {
            settings.fault("server.ops_listen", "is the same as server.listen: probes need a port of their own");
        }
        let knows_nobody = matches!(self.auth.mode, AuthMode::None);
        if knows_nobody && upstreams > 1 {
            settings.fault(
                "auth.mode",
                "is none, which leaves nothing to tell by which of several upstreams a caller means: configure one upstream",
            );
        }
        if knows_nobody && !self.auth.allow_unauthenticated && !self.server.listen.ip().is_loopback() {
            settings.fault(
                "auth.allow_unauthenticated",
                "must be true when auth.mode is none and server.listen is reachable from other machines: whoever reaches the gateway acts with its credential and IP address",
            );
        }
    }
}

//! The configuration: a TOML file, overridden by environment variables.
//!
//! `upstreams.default.url` in the file is `GATEWAY__UPSTREAMS__DEFAULT__URL` in the environment, where lists are
//! comma-separated. A secret can be given in a file whose path is in the key with the suffix `_file`. Everything is validated
//! at start, and all errors are reported together: unknown keys, missing keys and invalid values.

mod auth;
mod error;
mod facade;
mod file;
mod json_backend;
mod log;
mod reload;
mod resolver;
mod secret;
mod server;
mod settings;
mod systems;
mod tls;
mod transport;
mod upstream;

use std::collections::BTreeMap;
use std::path::Path;

pub use auth::{Auth, AuthMode, Client, Jwt, KeyHash, hash_of_key};
pub use error::{ConfigError, ConfigErrors, InvalidValue};
pub use facade::{
    Answers, Declaration, Facade, FacadeClient, FailureOrder, FailureStatus, NotFoundAnswer, OrdersRoot, Route, XmlType,
};
pub use file::{Contents, FileError};
pub use json_backend::JsonBackend;
pub use log::{Log, LogFormat};
pub use reload::{Loaded, Reload, ReloadOutcome};
pub use resolver::Resolver;
pub use secret::Secret;
pub use server::{Addresses, Server};
pub use systems::SystemsConfig;
pub(crate) use transport::is_loopback;
pub use upstream::{Dialect, Upstream};

use settings::Settings;

/// A valid configuration of the command `facade`.
#[derive(Debug, Clone)]
pub struct FacadeConfig {
    /// The sections that it shares with the gateway. Section `auth` is not read.
    pub shared: Config,
    /// Section `facade`.
    pub facade: Facade,
}

impl FacadeConfig {
    /// Reads the file, if there is one, and overrides it by the environment.
    ///
    /// # Errors
    /// All errors together.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut settings = Settings::load(file, environment);
        settings.drop_below("auth");
        let server = Server::read(&mut settings);
        let log = Log::read(&mut settings);
        let upstreams = read_upstreams(&mut settings);
        let facade = Facade::read(&mut settings);
        if let Some(facade) = &facade {
            facade.check_addresses(&mut settings, Addresses { listen: server.listen, ops_listen: server.ops_listen });
        }
        let warnings = settings.take_warnings();
        let shared = Config { server, auth: Auth::default(), log, upstreams, warnings };
        settings.finish(facade.map(|facade| Self { shared, facade }))
    }

    /// All values that come from files and are reloaded when these change.
    #[must_use]
    pub fn reloads(&self) -> Vec<Box<dyn Reload>> {
        self.shared.reloads().into_iter().chain(self.facade.reloads()).collect()
    }
}

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Section `server`: the gateway's own sockets.
    pub server: Server,
    /// Section `auth`: authentication of clients.
    pub auth: Auth,
    /// Section `log`.
    pub log: Log,
    /// Sections `upstreams.<name>`: at least one.
    pub upstreams: BTreeMap<String, Upstream>,
    /// What is valid and hardly intended.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file, if there is one, and overrides it by the environment.
    ///
    /// # Errors
    /// All errors together.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut settings = Settings::load(file, environment);
        // It belongs to another command, which may share the file.
        settings.drop_below("facade");
        let server = Server::read(&mut settings);
        let names = settings.names_below("upstreams");
        let auth = Auth::read(&mut settings, &names);
        let log = Log::read(&mut settings);
        let upstreams = read_upstreams(&mut settings);
        check_across_sections(&mut settings, &server, auth.as_ref(), names.len());

        let warnings = settings.take_warnings();
        settings.finish(auth.map(|auth| Self { server, auth, log, upstreams, warnings }))
    }

    /// The addresses alone. No other setting is read.
    ///
    /// # Errors
    /// When the file cannot be read or an address is not valid.
    pub fn addresses(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Addresses, ConfigErrors> {
        let mut settings = Settings::load(file, environment);
        let addresses = Addresses::read(&mut settings);
        settings.finish_early(addresses)
    }

    /// All values that come from files and are reloaded when these change.
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
}

/// The upstreams that are valid; what is wrong with the others is reported.
fn read_upstreams(settings: &mut Settings) -> BTreeMap<String, Upstream> {
    let names = settings.names_below("upstreams").into_iter();
    names.filter_map(|name| Upstream::read(settings, &name).map(|upstream| (name, upstream))).collect()
}

/// Reports what no section can check alone.
fn check_across_sections(settings: &mut Settings, server: &Server, auth: Option<&Auth>, upstreams: usize) {
    if upstreams == 0 {
        let example = "the URL of the upstream, such as https://portal.example/admin/edit/services/plain/orders";
        settings.report("upstreams.default.url", InvalidValue::Missing(example.into()));
        settings.report("upstreams.default.api_user", InvalidValue::Missing(upstream::API_USER.into()));
    }
    if server.listen == server.ops_listen && server.listen.port() != 0 {
        let reason = "is the same as server.listen: probes need a port of their own";
        settings.report("server.ops_listen", InvalidValue::Conflict(reason.into()));
    }
    let Some(Auth { mode: AuthMode::None, allow_unauthenticated }) = auth else { return };
    if upstreams > 1 {
        let reason = "is none, which does not say which upstream a request is for: configure one upstream";
        settings.report("auth.mode", InvalidValue::Conflict(reason.into()));
    }
    if !allow_unauthenticated && !server.listen.ip().is_loopback() {
        let reason = "must be true when auth.mode is none and server.listen is reachable from other machines: \
                      anyone who can reach the gateway acts with its credential and IP address";
        settings.report("auth.allow_unauthenticated", InvalidValue::Conflict(reason.into()));
    }
}

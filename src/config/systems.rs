//! The systems alone, for commands that read from them and serve no one.

use std::path::Path;

use super::error::ConfigErrors;
use super::facade;
use super::settings::Settings;
use super::{Auth, Config, Log, Server, read_upstreams};

/// A valid configuration of the command `compare`. What else a file has for `serve` and `facade` is not read.
#[derive(Debug, Clone)]
pub struct SystemsConfig {
    /// The sections `server`, `log` and `upstreams`. JSON systems, `facade.backends.<name>`, belong beside them.
    pub shared: Config,
}

impl SystemsConfig {
    /// Reads the file, if there is one, and overrides it by the environment.
    ///
    /// # Errors
    /// All errors together.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut settings = Settings::load(file, environment);
        settings.drop_below("auth");
        facade::system_names(&mut settings);
        settings.drop_below("facade");
        let server = Server::read(&mut settings);
        let log = Log::read(&mut settings);
        let upstreams = read_upstreams(&mut settings);
        let warnings = settings.take_warnings();
        settings.finish(Some(Self { shared: Config { server, auth: Auth::default(), log, upstreams, warnings } }))
    }
}

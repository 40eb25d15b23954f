//! The systems alone, for commands that read from them and serve no one.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfigErrors;
use super::settings::Settings;
use super::{Auth, Config, JsonBackend, Log, Server, facade, read_upstreams, upstream};
use crate::model::Zone;

/// A valid configuration of the command `compare`. What else a file has for `serve` and `facade` is not read.
#[derive(Debug, Clone)]
pub struct SystemsConfig {
    /// The sections `server`, `log` and `upstreams`.
    pub shared: Config,
    /// Sections `facade.backends.<name>`: the JSON systems.
    pub backends: BTreeMap<String, JsonBackend>,
    /// The time zone in which times of JSON systems are shown: that of the answers of the facade.
    pub time_zone: Zone,
}

impl SystemsConfig {
    /// Reads the file, if there is one, and overrides it by the environment.
    ///
    /// # Errors
    /// All errors together.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut settings = Settings::load(file, environment);
        settings.drop_below("auth");
        let time_zone = settings.or_default("facade.answers.time_zone", Zone::stockholm(), upstream::zone);
        settings.drop_below_but("facade", "backends");
        let server = Server::read(&mut settings);
        let log = Log::read(&mut settings);
        let upstreams = read_upstreams(&mut settings);
        facade::system_names(&mut settings);
        let backends = facade::read_backends(&mut settings);
        let warnings = settings.take_warnings();
        let shared = Config { server, auth: Auth::default(), log, upstreams, warnings };
        settings.finish(Some(Self { shared, backends, time_zone }))
    }
}

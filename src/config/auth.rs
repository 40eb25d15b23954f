//! Section `auth`.

mod client;
mod jwt;

use std::collections::{BTreeMap, BTreeSet};

pub use client::{Client, KeyHash, hash_of_key};
pub use jwt::Jwt;

use super::settings::{ConfigError, Settings, boolean};

/// Who may call.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// How callers are known: `none`, `api-key` or `jwt`. Default `none`; `GATEWAY__AUTH__MODE`.
    pub mode: AuthMode,
    /// Whether, with mode `none`, other machines may call. Default false; `GATEWAY__AUTH__ALLOW_UNAUTHENTICATED`.
    pub allow_unauthenticated: bool,
}

/// How callers are known.
#[derive(Debug, Clone, Default)]
pub enum AuthMode {
    /// Not at all: whoever can connect may do everything.
    #[default]
    None,
    /// By keys: sections `auth.clients.<name>`.
    ApiKey(BTreeMap<String, Client>),
    /// By tokens: section `auth.jwt`.
    Jwt(Box<Jwt>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    None,
    ApiKey,
    Jwt,
}

impl Auth {
    pub(super) fn read(settings: &mut Settings, upstreams: &BTreeSet<String>) -> Self {
        let mode = settings.or_default("auth.mode", Mode::None, mode);
        let allow_unauthenticated = settings.or_default("auth.allow_unauthenticated", false, boolean);
        let has_clients = !settings.names_below("auth.clients").is_empty();
        let clients = client::read_all(settings, upstreams);
        if mode != Mode::ApiKey && has_clients {
            settings.fault("auth.clients", "needs auth.mode = api-key: with another mode no client would be known by its key");
        }
        if mode != Mode::Jwt && settings.drop_below("auth.jwt") {
            settings.fault("auth.jwt", "needs auth.mode = jwt: with another mode no token would be looked at");
        }
        if mode == Mode::ApiKey && !has_clients {
            settings.fault("auth.clients", "has no client, so nobody could call; keygen makes a key and what to write here");
        }
        let mode = match mode {
            Mode::None => AuthMode::None,
            Mode::ApiKey => AuthMode::ApiKey(clients),
            // Where something is missing that was told, and nothing is made of the rest.
            Mode::Jwt => jwt::read(settings, upstreams).map_or(AuthMode::ApiKey(clients), |jwt| AuthMode::Jwt(Box::new(jwt))),
        };
        Self { mode, allow_unauthenticated }
    }
}

fn mode(text: &str) -> Result<Mode, ConfigError> {
    match text {
        "none" => Ok(Mode::None),
        "api-key" => Ok(Mode::ApiKey),
        "jwt" => Ok(Mode::Jwt),
        _ => Err("must be none, api-key or jwt".to_owned()),
    }
}

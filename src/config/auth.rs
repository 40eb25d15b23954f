//! Section `auth`.

mod client;
mod jwt;

use std::collections::{BTreeMap, BTreeSet};

pub use client::{Client, KeyHash, hash_of_key};
pub use jwt::Jwt;

use super::error::InvalidValue;
use super::settings::{Settings, boolean};

/// Authentication of clients.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// Authentication mode: `none`, `api-key` or `jwt`. Default `none`; `GATEWAY__AUTH__MODE`.
    pub mode: AuthMode,
    /// With mode `none`, permits listening on an address that other machines can reach. Default false;
    /// `GATEWAY__AUTH__ALLOW_UNAUTHENTICATED`.
    pub allow_unauthenticated: bool,
}

/// The authentication mode.
#[derive(Debug, Clone, Default)]
pub enum AuthMode {
    /// No authentication: anyone who can connect may do everything.
    #[default]
    None,
    /// API keys of the clients in sections `auth.clients.<name>`.
    ApiKey(BTreeMap<String, Client>),
    /// JWT bearer tokens as in section `auth.jwt`.
    Jwt(Box<Jwt>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    None,
    ApiKey,
    Jwt,
}

impl Auth {
    /// `None` when the mode is not known or its section is not valid, which is reported. There is no other mode to fall back
    /// to: it would let clients in by rules that the operator did not configure.
    pub(super) fn read(settings: &mut Settings, upstreams: &BTreeSet<String>) -> Option<Self> {
        let mode = if settings.is_given("auth.mode") { settings.optional("auth.mode", mode) } else { Some(Mode::None) };
        let allow_unauthenticated = settings.or_default("auth.allow_unauthenticated", false, boolean);
        let has_clients = !settings.names_below("auth.clients").is_empty();
        let clients = client::read_all(settings, upstreams);
        match mode {
            Some(Mode::None | Mode::Jwt) if has_clients => {
                let reason = "needs auth.mode = api-key: other modes accept no API keys";
                settings.report("auth.clients", InvalidValue::Conflict(reason.into()));
            }
            Some(Mode::ApiKey) if !has_clients => {
                let reason = "has no client, so no request could be authenticated; create a key with keygen";
                settings.report("auth.clients", InvalidValue::Conflict(reason.into()));
            }
            _ => {}
        }
        if mode != Some(Mode::Jwt) && settings.drop_below("auth.jwt") {
            let reason = "needs auth.mode = jwt: other modes accept no tokens";
            settings.report("auth.jwt", InvalidValue::Conflict(reason.into()));
        }
        let mode = match mode? {
            Mode::None => AuthMode::None,
            Mode::ApiKey => AuthMode::ApiKey(clients),
            Mode::Jwt => AuthMode::Jwt(Box::new(jwt::read(settings, upstreams)?)),
        };
        Some(Self { mode, allow_unauthenticated })
    }
}

fn mode(text: &str) -> Result<Mode, InvalidValue> {
    match text {
        "none" => Ok(Mode::None),
        "api-key" => Ok(Mode::ApiKey),
        "jwt" => Ok(Mode::Jwt),
        _ => Err(InvalidValue::expected("none, api-key or jwt")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_never_select_another_mode() {
        for (variable, value) in [("AUTH__MODE", "basic"), ("AUTH__MODE", "jwt")] {
            let environment = [(format!("GATEWAY__{variable}"), value.to_owned())];
            let mut settings = Settings::load(None, environment);

            let auth = Auth::read(&mut settings, &BTreeSet::from(["default".to_owned()]));

            assert!(auth.is_none(), "{value}");
            assert!(settings.finish(auth).is_err(), "{value}");
        }
    }
}

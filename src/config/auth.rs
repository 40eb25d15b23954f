//! Section `auth`.

use super::settings::{Misfit, Settings, boolean};

/// Who may call.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// How callers are known. Default `none`; `GATEWAY__AUTH__MODE`.
    pub mode: AuthMode,
    /// Whether, with mode `none`, other machines may call. Default false; `GATEWAY__AUTH__ALLOW_UNAUTHENTICATED`.
    pub allow_unauthenticated: bool,
}

/// How callers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMode {
    /// Not at all: whoever can connect may do everything.
    #[default]
    None,
}

impl Auth {
    pub(super) fn read(settings: &mut Settings) -> Self {
        Self {
            mode: settings.or("auth.mode", AuthMode::None, mode),
            allow_unauthenticated: settings.or("auth.allow_unauthenticated", false, boolean),
        }
    }
}

fn mode(text: &str) -> Result<AuthMode, Misfit> {
    match text {
        "none" => Ok(AuthMode::None),
        _ => Err("must be none: this version knows no other mode".to_owned()),
    }
}

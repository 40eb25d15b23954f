//! Who may do what.
//!
//! Whoever reaches the gateway acts with its address and credential at the order system, so this is the lock. Every request
//! that is not about documentation has a [`Caller`]: known by nothing at all ([`Authentication::Nobody`]), by a key, or by a
//! token. A caller is bound to one upstream and has scopes; both come from the configuration or from whoever signed the
//! token, never from the request itself.

mod caller;
mod credential;
mod issuer;
mod keycache;
mod keys;
mod keyset;
mod tokens;

use http::HeaderMap;

pub use caller::Caller;
pub use keys::{Keys, hash_of_key};
pub use tokens::Tokens;

use credential::Credential;

/// How callers are known.
#[derive(Debug)]
pub enum Authentication {
    /// Not at all: whoever can connect is this one.
    Nobody(Caller),
    /// By keys that they were given.
    Keys(Keys),
    /// By tokens that an issuer signed.
    Tokens(Box<Tokens>),
}

/// Why a request has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It has no credential.
    Missing,
    /// It has one that is not good, in words for whoever sent it.
    Invalid(&'static str),
    /// It has one that is good, and belongs to no upstream that there is.
    Unbound,
    /// It has one that cannot be checked at the moment.
    Unavailable,
}

impl Denial {
    /// Its name in metrics.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid(_) => "invalid",
            Self::Unbound => "unbound",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Authentication {
    /// The caller that made a request.
    ///
    /// # Errors
    /// When it has no credential that is good.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denial> {
        match self {
            Self::Nobody(caller) => Ok(caller.clone()),
            Self::Keys(keys) => match Credential::read(headers)? {
                Credential::Bearer(key) | Credential::ApiKey(key) => keys.caller(key),
            },
            Self::Tokens(tokens) => match Credential::read(headers)? {
                Credential::Bearer(token) => tokens.caller(token).await,
                Credential::ApiKey(_) => Err(Denial::Invalid("There are no keys here: send a token in Authorization.")),
            },
        }
    }
}

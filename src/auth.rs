//! Who may do what.
//!
//! Whoever reaches the gateway acts with its address and credential at the order system, so this is the lock. Every request
//! that is not about documentation has a [`Caller`]: known by nothing at all ([`Authentication::Nobody`]), by a key, or by a
//! token. A caller is bound to one upstream and has scopes; both come from the configuration or from whoever signed the
//! token, never from the request itself.

mod api_keys;
mod credential;
mod jwks;
mod jwks_cache;
mod jwks_client;
mod jwt;
mod principal;

use http::HeaderMap;

pub use api_keys::ApiKeys;
pub use jwt::JwtVerifier;
pub use principal::Principal;

use credential::Credential;

/// How callers are known.
#[derive(Debug)]
pub enum Authentication {
    /// Not at all: whoever can connect is this one.
    Anonymous(Principal),
    /// By keys that they were given.
    ApiKeys(ApiKeys),
    /// By tokens that an issuer signed.
    Jwt(Box<JwtVerifier>),
}

/// Why a request has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    /// It has no credential.
    Missing,
    /// It has one that is not good, in words for whoever sent it.
    Invalid(&'static str),
    /// It has one that is good, and belongs to no upstream that there is.
    Unbound,
    /// It has one that cannot be checked at the moment.
    Unavailable,
}

impl AuthError {
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
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        match self {
            Self::Anonymous(caller) => Ok(caller.clone()),
            Self::ApiKeys(keys) => match Credential::read(headers)? {
                Credential::Bearer(key) | Credential::ApiKey(key) => keys.authenticate(key),
            },
            Self::Jwt(tokens) => match Credential::read(headers)? {
                Credential::Bearer(token) => tokens.authenticate(token).await,
                Credential::ApiKey(_) => Err(AuthError::Invalid("There are no keys here: send a token in Authorization.")),
            },
        }
    }
}

//! Authentication: which client sent a request, and what it may do.
//!
//! The gateway calls the upstream with its own credential and source address, so a client that passes this module acts with
//! both. Every request for a route that needs authentication has a [`Principal`]: the anonymous one, the owner of an API key,
//! or the subject of a JWT. A principal is bound to one upstream and has scopes. Both come from the configuration or from the
//! signed token, never from the request itself.

mod api_keys;
mod claims;
mod credential;
mod jwks;
mod jwks_cache;
mod jwks_client;
mod jwt;
mod principal;
mod token;

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

pub use api_keys::ApiKeys;
pub use jwt::JwtVerifier;
pub use principal::Principal;

use credential::Credential;

/// How clients authenticate.
#[derive(Debug)]
pub enum Authentication {
    /// Not at all: every request has this principal.
    Anonymous(Principal),
    /// With API keys.
    ApiKeys(ApiKeys),
    /// With bearer tokens of one issuer.
    Jwt(Box<JwtVerifier>),
}

/// Why a request has no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The request has no credential.
    #[error("the request has no credential")]
    Missing,
    /// The credential is not accepted, with the reason as a sentence for the client.
    #[error("the credential is not accepted: {0}")]
    Invalid(&'static str),
    /// The credential is valid, but names no upstream of this gateway, with the reason as a sentence for the client.
    #[error("the credential names no upstream of this gateway: {0}")]
    Unbound(&'static str),
    /// The credential cannot be checked at the moment.
    #[error("the credential cannot be checked at the moment")]
    Unavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

impl AuthError {
    /// The value of the label `reason` in metrics.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid(_) => "invalid",
            Self::Unbound(_) => "unbound",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// Which credentials are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// None is necessary.
    None,
    /// API keys, in `Authorization` or `X-API-Key`.
    ApiKey,
    /// JWT access tokens in `Authorization`.
    Jwt,
}

impl Authentication {
    /// Which credentials are accepted.
    #[must_use]
    pub const fn credential_kind(&self) -> CredentialKind {
        match self {
            Self::Anonymous(_) => CredentialKind::None,
            Self::ApiKeys(_) => CredentialKind::ApiKey,
            Self::Jwt(_) => CredentialKind::Jwt,
        }
    }

    /// Authenticates a request by its headers. What that needs of other systems is awaited until `deadline`.
    ///
    /// # Errors
    /// [`AuthError`] when there is no valid credential.
    pub async fn authenticate(&self, headers: &HeaderMap, deadline: Instant) -> Result<Principal, AuthError> {
        match self {
            Self::Anonymous(principal) => Ok(principal.clone()),
            Self::ApiKeys(keys) => match Credential::read(headers)? {
                Credential::Bearer(key) | Credential::ApiKey(key) => keys.authenticate(key),
            },
            Self::Jwt(verifier) => match Credential::read(headers)? {
                Credential::Bearer(token) => verifier.authenticate(token, deadline).await,
                Credential::ApiKey(_) => {
                    Err(AuthError::Invalid("API keys are not accepted here: send a bearer token in Authorization."))
                }
            },
        }
    }
}

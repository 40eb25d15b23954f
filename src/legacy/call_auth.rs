//! What calls are known by to the order system.

use super::methods::{ADD_MESSAGE, MethodSpec};
use super::query::QueryParams;
use super::session::{SessionCache, SessionHash};
use crate::backend::{Error, Result};
use crate::config::{Secret, Upstream};

/// What calls are known by.
#[derive(Debug)]
pub(super) enum UpstreamCredential {
    /// The user alone; the source address is the proof.
    User(Secret),
    /// A hash from a login with user and key.
    Login { api_user: Secret, api_key: Secret, session: SessionCache },
}

impl UpstreamCredential {
    pub(super) fn new(upstream: &Upstream) -> Self {
        let api_user = upstream.api_user.clone();
        match &upstream.api_key {
            Some(api_key) => Self::Login { api_user, api_key: api_key.clone(), session: SessionCache::default() },
            None => Self::User(api_user),
        }
    }

    /// Adds what a call is known by. Whether providers' messages are known by the user or by the hash is not documented, so
    /// both are sent.
    pub(super) fn authorize(&self, call: &MethodSpec, request: QueryParams, signature: &CallAuth) -> QueryParams {
        let (Self::User(api_user) | Self::Login { api_user, .. }) = self;
        let with_user = |request: QueryParams| api_user.with(|api_user| request.with("api_user", api_user));
        match signature {
            CallAuth::User => with_user(request),
            CallAuth::Hash { hash, .. } if call == &ADD_MESSAGE => with_user(request.with("hash", hash.as_str())),
            CallAuth::Hash { hash, .. } => request.with("hash", hash.as_str()),
        }
    }

    /// As long as those that are known, to see what fits into a request.
    pub(super) fn placeholder_auth(&self) -> CallAuth {
        match self {
            Self::User(_) => CallAuth::User,
            Self::Login { .. } => {
                CallAuth::Hash { hash: SessionHash::new("00000000000000000000000000000000"), is_second: false }
            }
        }
    }

    /// The same outcome without what the call was known by, which the order system's sentence may repeat.
    pub(super) fn redact<T>(&self, signature: &CallAuth, outcome: Result<T>) -> Result<T> {
        let Err(Error::Refused { message: Some(sentence) }) = outcome else { return outcome };
        let (Self::User(api_user) | Self::Login { api_user, .. }) = self;
        let mut sentence = api_user.with(|api_user| sentence.redact(api_user));
        if let Self::Login { api_key, .. } = self {
            sentence = api_key.with(|api_key| sentence.redact(api_key));
        }
        if let CallAuth::Hash { hash, .. } = signature {
            sentence = sentence.redact(hash.as_str());
        }
        Err(Error::Refused { message: Some(sentence) })
    }
}

/// What one call is known by.
#[derive(Debug)]
pub(super) enum CallAuth {
    User,
    Hash { hash: SessionHash, is_second: bool },
}

impl CallAuth {
    /// Takes the outcome of its call as a proof that it was accepted, unless it says the contrary or nothing.
    pub(super) fn record_result<T>(&self, outcome: Result<T>) -> Result<T> {
        if let (Self::Hash { hash, .. }, Ok(_) | Err(Error::NotFound | Error::Refused { .. })) = (self, &outcome) {
            hash.mark_accepted();
        }
        outcome
    }
}

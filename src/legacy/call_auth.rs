//! The credential of calls to the upstream.

use super::methods::{ADD_MESSAGE, MethodSpec};
use super::query::{QueryWriter, UnmappableCharacter};
use super::session::{SessionCache, SessionHash};
use crate::backend::{Error, Result};
use crate::config::{Secret, Upstream};

/// How the gateway authenticates at an upstream.
#[derive(Debug)]
pub(super) enum UpstreamCredential {
    /// By the user alone; the source address is the proof.
    User(Secret),
    /// By the hash of a login with user and key.
    Login { api_user: Secret, api_key: Secret, session: SessionCache },
}

/// The credential of one call.
#[derive(Debug)]
pub(super) enum CallAuth {
    User,
    Hash { hash: SessionHash, is_renewed: bool },
}

impl UpstreamCredential {
    pub(super) fn new(upstream: &Upstream) -> Self {
        let api_user = upstream.api_user.clone();
        match &upstream.api_key {
            Some(api_key) => Self::Login { api_user, api_key: api_key.clone(), session: SessionCache::default() },
            None => Self::User(api_user),
        }
    }

    /// Adds the credential to a call. Whether messages of the provider dialect take the user or the hash is not documented, so
    /// both are sent.
    ///
    /// # Errors
    /// As [`QueryWriter::append`].
    pub(super) fn authorize(
        &self,
        method: &MethodSpec,
        auth: &CallAuth,
        query: &mut QueryWriter,
    ) -> std::result::Result<(), UnmappableCharacter> {
        if let CallAuth::Hash { hash, .. } = auth {
            query.append("hash", hash.as_str())?;
        }
        if matches!(auth, CallAuth::User) || method == &ADD_MESSAGE {
            self.api_user().with(|api_user| query.append("api_user", api_user))?;
        }
        Ok(())
    }

    /// A credential as long as a real one, to see what fits into a request before there is a session.
    pub(super) fn placeholder_auth(&self) -> CallAuth {
        match self {
            Self::User(_) => CallAuth::User,
            Self::Login { .. } => {
                CallAuth::Hash { hash: SessionHash::new("00000000000000000000000000000000"), is_renewed: false }
            }
        }
    }

    /// Removes the credential from the upstream's message, which may repeat it.
    pub(super) fn redact<T>(&self, auth: &CallAuth, result: Result<T>) -> Result<T> {
        let Err(Error::Refused { message: Some(mut message) }) = result else { return result };
        message = self.api_user().with(|api_user| message.redact(api_user));
        if let Self::Login { api_key, .. } = self {
            message = api_key.with(|api_key| message.redact(api_key));
        }
        if let CallAuth::Hash { hash, .. } = auth {
            message = message.redact(hash.as_str());
        }
        Err(Error::Refused { message: Some(message) })
    }

    const fn api_user(&self) -> &Secret {
        let (Self::User(api_user) | Self::Login { api_user, .. }) = self;
        api_user
    }
}

impl CallAuth {
    /// Records that the upstream accepted the credential, unless the result of its call says the contrary or nothing.
    pub(super) fn record_result<T>(&self, result: Result<T>) -> Result<T> {
        if let (Self::Hash { hash, .. }, Ok(_) | Err(Error::NotFound | Error::Refused { .. })) = (self, &result) {
            hash.mark_accepted();
        }
        result
    }
}

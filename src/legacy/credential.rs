//! What calls are known by to the order system.

use super::call::{ADD_MESSAGE, Call};
use super::login::{Hash, Session};
use super::request::Request;
use crate::backend::{Error, Result};
use crate::config::{Secret, Upstream};

/// What calls are known by.
#[derive(Debug)]
pub(super) enum Credential {
    /// The user alone; the source address is the proof.
    User(Secret),
    /// A hash from a login with user and key.
    Login { api_user: Secret, api_key: Secret, session: Session },
}

impl Credential {
    pub(super) fn new(upstream: &Upstream) -> Self {
        let api_user = upstream.api_user.clone();
        match &upstream.api_key {
            Some(api_key) => Self::Login { api_user, api_key: api_key.clone(), session: Session::default() },
            None => Self::User(api_user),
        }
    }

    /// Adds what a call is known by. Whether providers' messages are known by the user or by the hash is not documented, so
    /// both are sent.
    pub(super) fn sign(&self, call: &Call, request: Request, signature: &Signature) -> Request {
        let (Self::User(api_user) | Self::Login { api_user, .. }) = self;
        let with_user = |request: Request| api_user.with(|api_user| request.with("api_user", api_user));
        match signature {
            Signature::User => with_user(request),
            Signature::Hash { hash, .. } if call == &ADD_MESSAGE => with_user(request.with("hash", hash.as_str())),
            Signature::Hash { hash, .. } => request.with("hash", hash.as_str()),
        }
    }

    /// As long as those that are known, to see what fits into a request.
    pub(super) fn typical_signature(&self) -> Signature {
        match self {
            Self::User(_) => Signature::User,
            Self::Login { .. } => Signature::Hash { hash: Hash::new("00000000000000000000000000000000"), is_second: false },
        }
    }

    /// The same outcome without what the call was known by, which the order system's sentence may repeat.
    pub(super) fn withheld_from<T>(&self, signature: &Signature, outcome: Result<T>) -> Result<T> {
        let Err(Error::Refused { message: Some(sentence) }) = outcome else { return outcome };
        let (Self::User(api_user) | Self::Login { api_user, .. }) = self;
        let mut sentence = api_user.with(|api_user| sentence.without(api_user));
        if let Self::Login { api_key, .. } = self {
            sentence = api_key.with(|api_key| sentence.without(api_key));
        }
        if let Signature::Hash { hash, .. } = signature {
            sentence = sentence.without(hash.as_str());
        }
        Err(Error::Refused { message: Some(sentence) })
    }
}

/// What one call is known by.
#[derive(Debug)]
pub(super) enum Signature {
    User,
    Hash { hash: Hash, is_second: bool },
}

impl Signature {
    /// Takes the outcome of its call as a proof that it was accepted, unless it says the contrary or nothing.
    pub(super) fn judged_by<T>(&self, outcome: Result<T>) -> Result<T> {
        if let (Self::Hash { hash, .. }, Ok(_) | Err(Error::NotFound | Error::Refused { .. })) = (self, &outcome) {
            hash.prove();
        }
        outcome
    }
}

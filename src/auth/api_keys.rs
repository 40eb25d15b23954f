//! Authentication with API keys.
//!
//! The configuration has only hashes, so reading it does not reveal a key. A plain SHA-256 is enough, because `keygen` makes
//! keys of 256 random bits, which cannot be guessed.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{AuthError, Principal};
use crate::config::{self, KeyHash, Loaded, hash_of_key};
use crate::resilience::RateLimit;

/// The clients with API keys.
#[derive(Debug)]
pub struct ApiKeys(Vec<ApiClient>);

/// A client and the hashes of its keys: more than one while it rotates them.
#[derive(Debug)]
struct ApiClient {
    principal: Principal,
    hashes: Loaded<Vec<KeyHash>>,
}

impl ApiKeys {
    /// The clients of the configuration.
    #[must_use]
    pub fn new(clients: &BTreeMap<String, config::Client>) -> Self {
        let api_client = |(name, client): (&String, &config::Client)| {
            let config::Client { upstream, scopes, rate, key_sha256 } = client;
            let principal = Principal::new(name.clone(), name.clone(), upstream.clone(), *scopes, rate.map(RateLimit::new));
            ApiClient { principal, hashes: key_sha256.clone() }
        };
        Self(clients.iter().map(api_client).collect())
    }

    /// The owner of a key. The time this takes does not depend on the key: it is compared with every hash, in constant time.
    pub(super) fn authenticate(&self, key: &str) -> Result<Principal, AuthError> {
        let hash = hash_of_key(key);
        let (mut owner, mut other_owner) = (None, None);
        for client in &self.0 {
            let hashes = client.hashes.get();
            // `|` instead of `||` or `any`: those would stop at the first match.
            if hashes.iter().fold(false, |matches, known| matches | verify_slices_are_equal(known, &hash).is_ok()) {
                other_owner = owner.replace(&client.principal);
            }
        }

        match (owner, other_owner) {
            (Some(principal), None) => Ok(principal.clone()),
            (None, _) => Err(AuthError::Invalid("The API key is not known.")),
            // The configuration rejects this at start, but a reloaded file may introduce it. Either client's scopes would be
            // a guess.
            (Some(one), Some(other)) => {
                tracing::error!(client = one.name(), other = other.name(), "two clients have the same API key; it is refused");
                Err(AuthError::Invalid("The API key belongs to more than one client."))
            }
        }
    }
}

//! Callers that are known by a key.
//!
//! The configuration has hashes, so whoever reads it can call nobody's name. The keys are random and long, which is why a
//! plain hash of them is enough; `keygen` makes such keys.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{AuthError, Principal};
use crate::config::{self, KeyHash, Loaded, hash_of_key};
use crate::resilience::RateLimit;

/// Callers with keys.
#[derive(Debug)]
pub struct ApiKeys(Vec<ApiClient>);

/// A caller and the keys that are good for them: several, while they change from one to another.
#[derive(Debug)]
struct ApiClient {
    caller: Principal,
    hashes: Loaded<Vec<KeyHash>>,
}

impl ApiKeys {
    /// The clients of the configuration.
    #[must_use]
    pub fn new(clients: &BTreeMap<String, config::Client>) -> Self {
        let holder = |(name, client): (&String, &config::Client)| {
            let config::Client { upstream, scopes, rate, key_sha256 } = client;
            let caller = Principal::new(name.clone(), name.clone(), upstream.clone(), *scopes, rate.map(RateLimit::new));
            ApiClient { caller, hashes: key_sha256.clone() }
        };
        Self(clients.iter().map(holder).collect())
    }

    /// Whose key this is. How long that takes does not depend on the key: every hash is looked at, whichever fits.
    pub(super) fn authenticate(&self, key: &str) -> Result<Principal, AuthError> {
        let hash = hash_of_key(key);
        let mut callers = Vec::new();
        for holder in &self.0 {
            let fits =
                holder.hashes.get().iter().fold(false, |fits, known| fits | verify_slices_are_equal(known, &hash).is_ok());
            if fits {
                callers.push(&holder.caller);
            }
        }
        match callers.as_slice() {
            [caller] => Ok((*caller).clone()),
            [] => Err(AuthError::Invalid("The key is not known.")),
            // Files of hashes change, and then nobody compares them: whose rights are meant cannot be told.
            [one, other, ..] => {
                tracing::error!(client = one.name(), other = other.name(), "two clients have the same key, which is refused");
                Err(AuthError::Invalid("The key is that of more than one client."))
            }
        }
    }
}

//! A JSON Web Key Set (RFC 7517): the public keys that a token issuer signs with.

use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The keys of a set that can verify signatures.
#[derive(Debug, Default)]
pub(super) struct Jwks(Vec<JwksKey>);

#[derive(Debug)]
struct JwksKey {
    id: Option<String>,
    /// The only algorithm the key may be used with, if its `alg` names one.
    algorithm: Option<Algorithm>,
    decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Jwks {
    /// Parses a set. Keys for encryption and keys of unknown types are skipped, so that an issuer may add any. The set may be
    /// empty: an issuer revokes all keys this way.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Document { keys } = serde_json::from_slice(json)?;
        let usable = |key| JwksKey::from_jwk(&serde_json::from_value(key).ok()?);
        Ok(Self(keys.into_iter().filter_map(usable).collect()))
    }

    /// The key with this id. A token without a key id is verified with the only key of its algorithm, if there is only one.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut matching = self.0.iter().filter(|key| key.accepts(algorithm) && (id.is_none() || key.id.as_deref() == id));
        match (matching.next(), matching.next()) {
            (Some(key), None) => Some(&key.decoding),
            (Some(key), Some(_)) if id.is_some() => Some(&key.decoding),
            _ => None,
        }
    }
}

impl JwksKey {
    /// `None` for a key that cannot or must not verify signatures.
    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|key_use| *key_use == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !is_for_signatures || !verifies {
            return None;
        }
        let algorithm = common.key_algorithm.map(|algorithm| algorithm.to_string().parse()).transpose().ok()?;
        Some(Self { id: common.key_id.clone(), algorithm, decoding: DecodingKey::from_jwk(jwk).ok()? })
    }

    /// Whether the key may verify this algorithm. The type of the key decides, not only the token's header: otherwise a token
    /// could be signed by HMAC with the public key as the secret.
    fn accepts(&self, algorithm: Algorithm) -> bool {
        self.decoding.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

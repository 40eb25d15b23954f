//! The public keys of an issuer of tokens (RFC 7517).

use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The keys that signatures are checked with.
#[derive(Debug, Default)]
pub(super) struct Jwks(Vec<JwksKey>);

#[derive(Debug)]
struct JwksKey {
    id: Option<String>,
    /// The one algorithm that it may be used with, where the set says so.
    algorithm: Option<Algorithm>,
    decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Jwks {
    /// Reads a set. Keys that are of no use here, be they for encryption or of a kind that nobody has seen before, are left
    /// out. A set may be empty: so an issuer takes all of its keys back.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let Document { keys } = serde_json::from_slice(text).ok()?;
        Some(Self(keys.into_iter().filter_map(|key| JwksKey::read(&serde_json::from_value(key).ok()?)).collect()))
    }

    /// The key that a token names. One that names none is meant for the only key that fits.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| key.fits(algorithm) && (id.is_none() || key.id.as_deref() == id));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(&key.decoding),
            (Some(key), Some(_)) if id.is_some() => Some(&key.decoding),
            _ => None,
        }
    }
}

impl JwksKey {
    fn read(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|use_of_key| *use_of_key == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let algorithm = common.key_algorithm.map(|algorithm| algorithm.to_string().parse::<Algorithm>());
        let decoding = DecodingKey::from_jwk(jwk).ok().filter(|_| is_for_signatures && verifies)?;
        Some(Self { id: common.key_id.clone(), algorithm: algorithm.transpose().ok()?, decoding })
    }

    /// The kind of the key decides, never the token alone: a public key is no secret that a token could be signed with.
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.decoding.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

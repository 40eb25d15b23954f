//! A signed token in its compact form (JWS, RFC 7515): its header, and what the signature covers.
//!
//! Only header members that say how the token is signed are read. The others (`jku`, `jwk`, `x5u`, `x5c` and so on) could lead to
//! keys of an attacker, and are ignored.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::AuthError;
use super::jwks::key_id;

/// A token whose signature has not been verified yet.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// Header and payload.
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

const MAX_BYTES: usize = 8_192;

const TOO_LONG: AuthError = AuthError::Invalid("The token has more than 8192 bytes.");
const MALFORMED: AuthError = AuthError::Invalid("The token is not a signed JWT.");
const OTHER_ALGORITHM: AuthError = AuthError::Invalid("The token is signed with an algorithm that is not permitted.");
const EXTENSIONS: AuthError = AuthError::Invalid("The token has critical extensions, and none is supported here.");
const OTHER_TYPE: AuthError = AuthError::Invalid("The token has a type (typ) that is not one of access tokens.");
const INVALID_SIGNATURE: AuthError = AuthError::Invalid("The signature of the token is invalid.");

impl<'t> Token<'t> {
    /// Parses a token that is signed with one of these algorithms.
    pub(super) fn parse(text: &'t str, permitted: &[Algorithm]) -> Result<Self, AuthError> {
        if text.len() > MAX_BYTES {
            return Err(TOO_LONG);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = message.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or(MALFORMED)?;
        let header = members(header)?;

        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(MALFORMED)?;
        // RFC 9864 has another name for the only variant of EdDSA that is supported.
        let algorithm = if algorithm == "Ed25519" { "EdDSA" } else { algorithm };
        let algorithm = algorithm.parse().ok().filter(|algorithm| permitted.contains(algorithm)).ok_or(OTHER_ALGORITHM)?;
        // These change what is signed, or how. A token with critical extensions must be rejected unless all are understood
        // (RFC 7515, section 4.1.11); compression and encryption are not part of signed tokens.
        if ["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err(EXTENSIONS);
        }
        check_type(header.get("typ"))?;
        let key_id = match header.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(id) => Some(key_id(id).ok_or(MALFORMED)?),
        };
        Ok(Self { algorithm, key_id, message, payload, signature })
    }

    /// The claims, if the token is signed with one of these keys.
    pub(super) fn verify(&self, keys: &[DecodingKey]) -> Result<Map<String, Value>, AuthError> {
        let is_signed_with =
            |key| crypto::verify(self.signature, self.message.as_bytes(), key, self.algorithm).unwrap_or_default();
        if keys.iter().any(is_signed_with) { members(self.payload) } else { Err(INVALID_SIGNATURE) }
    }
}

/// Issuers also sign tokens that are no credentials, such as logout tokens, and mark them by a type of their own (RFC 8725,
/// section 3.11). Access tokens are `at+jwt` (RFC 9068) or, with most issuers, `JWT` or without a type.
fn check_type(typ: Option<&Value>) -> Result<(), AuthError> {
    let typ = match typ {
        None | Some(Value::Null) => return Ok(()),
        Some(typ) => typ.as_str().ok_or(MALFORMED)?.to_ascii_lowercase(),
    };
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "at+jwt" => Ok(()),
        other if other.ends_with("+jwt") => Err(OTHER_TYPE),
        _ => Ok(()),
    }
}

/// Decodes a part of a token: a JSON object in base64url.
fn members(part: &str) -> Result<Map<String, Value>, AuthError> {
    let json = BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| MALFORMED)?;
    serde_json::from_slice(&json).map(|Members(members)| members).map_err(|_| MALFORMED)
}

/// The members of an object, each with its own name: parsers disagree on which of two equal ones counts.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(Map::new()))
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = map.next_entry()? {
            if self.0.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(self)
    }
}

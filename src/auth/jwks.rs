//! A JSON Web Key Set (RFC 7517): the public keys that a token issuer signs with.
//!
//! A set is read liberally: only the members that say what a key is and what it may do, and each in every spelling whose meaning
//! is beyond doubt. A key that cannot be used is left out with the reason, because otherwise its tokens would be blamed.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey};
use data_encoding::{BASE64URL_NOPAD, Encoding};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The keys of a set.
#[derive(Debug, Default)]
pub(super) struct Jwks {
    usable: Vec<JwksKey>,
    rejected: Vec<RejectedKey>,
}

/// A key that can verify signatures.
#[derive(Debug)]
struct JwksKey {
    id: Option<String>,
    /// The only algorithm the key may be used with, if its `alg` or its curve says so.
    algorithm: Option<Algorithm>,
    decoding: DecodingKey,
}

/// A key that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RejectedKey {
    pub(super) id: Option<String>,
    pub(super) fault: KeyFault,
}

/// Why a key is not used: a phrase that follows "the key".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFault {
    #[error("is not for verifying signatures, as its use, key_ops or alg says")]
    NotForSignatures,
    #[error("has a kty other than RSA, EC and OKP")]
    UnsupportedType,
    #[error("has a crv other than P-256, P-384 and Ed25519")]
    UnsupportedCurve,
    #[error("has an alg that is not supported, or not one of its kty and crv")]
    UnsupportedAlgorithm,
    #[error("is not a JSON object")]
    NotAnObject,
    #[error("lacks {0}, or it is not base64url; keys are not read from certificates (x5c)")]
    Parameter(&'static str),
    #[error("is not a valid key of its kty and crv")]
    InvalidKey,
    #[error("has fewer than 2048 or more than 8192 bits")]
    RsaSize,
    #[error("is published with its private part (d), so anyone can sign with it")]
    Private,
}

/// Why a set has no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKey {
    #[error("the set has no such key")]
    Unknown,
    #[error("the set has such a key, but it was left out")]
    Rejected,
    #[error("too many keys of the set may have signed the token")]
    Ambiguous,
}

/// How many keys a signature is verified with at most, since each costs time.
const MAX_CANDIDATES: usize = 8;

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeyFault {
    /// The value of the label `reason` in metrics.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::NotForSignatures => "not_for_signatures",
            Self::UnsupportedType | Self::UnsupportedCurve | Self::UnsupportedAlgorithm => "unsupported",
            Self::NotAnObject | Self::Parameter(_) | Self::InvalidKey => "malformed",
            Self::RsaSize | Self::Private => "insecure",
        }
    }
}

impl Jwks {
    /// Parses a set. Keys that cannot be used are left out, so that an issuer may add any.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Document { keys } = serde_json::from_slice(json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json))?;
        let mut set = Self::default();
        for key in &keys {
            let id = key.get("kid").and_then(key_id);
            match key.as_object().ok_or(KeyFault::NotAnObject).and_then(verification_key) {
                Ok((decoding, algorithm)) => set.usable.push(JwksKey { id, algorithm, decoding }),
                Err(fault) => set.rejected.push(RejectedKey { id, fault }),
            }
        }
        Ok(set)
    }

    /// The keys that were left out.
    pub(super) fn rejected(&self) -> &[RejectedKey] {
        &self.rejected
    }

    /// Whether no token could be verified.
    pub(super) const fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    /// The keys that may have signed a token: those with its key id, or if it has none, all of its algorithm. There may be
    /// several, because issuers give a new key the id of the old one and publish both for a while.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Vec<DecodingKey>, NoKey> {
        let has_id = |own: &Option<String>| id.is_none() || own.as_deref() == id;
        let candidates = self.usable.iter().filter(|key| key.accepts(algorithm) && has_id(&key.id));
        let candidates: Vec<_> = candidates.map(|key| key.decoding.clone()).take(MAX_CANDIDATES + 1).collect();
        match candidates.len() {
            0 if id.is_some() && self.rejected.iter().any(|key| has_id(&key.id)) => Err(NoKey::Rejected),
            0 => Err(NoKey::Unknown),
            1..=MAX_CANDIDATES => Ok(candidates),
            _ => Err(NoKey::Ambiguous),
        }
    }
}

impl JwksKey {
    /// Whether the key may verify this algorithm. The type of the key decides, not only the token's header: otherwise a token
    /// could be signed by HMAC with the public key as the secret.
    fn accepts(&self, algorithm: Algorithm) -> bool {
        self.decoding.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

/// A key id as text. Some issuers write numbers. An empty one says as little as none.
pub(super) fn key_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The key, and the only algorithm it may be used with, if there is only one.
fn verification_key(jwk: &Map<String, Value>) -> Result<(DecodingKey, Option<Algorithm>), KeyFault> {
    if text(jwk, "use").is_some_and(|purpose| !purpose.eq_ignore_ascii_case("sig")) || !may_verify(jwk.get("key_ops")) {
        return Err(KeyFault::NotForSignatures);
    }
    if jwk.contains_key("d") {
        return Err(KeyFault::Private);
    }
    let named = text(jwk, "alg").map(algorithm).transpose()?;
    let (key, own) = match text(jwk, "kty").unwrap_or_default().to_ascii_uppercase().as_str() {
        "RSA" => (rsa_key(jwk)?, None),
        "EC" => ec_key(jwk)?,
        "OKP" => (ed25519_key(jwk)?, Some(Algorithm::EdDSA)),
        _ => return Err(KeyFault::UnsupportedType),
    };
    let fits = named.is_none_or(|named| named.family() == key.family() && own.is_none_or(|own| own == named));
    if fits { Ok((key, own.or(named))) } else { Err(KeyFault::UnsupportedAlgorithm) }
}

/// A member with a text. An empty one says as little as none.
fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Whether `key_ops` permits verification. Some libraries write an empty list, or one operation as a text.
fn may_verify(operations: Option<&Value>) -> bool {
    let is_verify = |operation: &Value| operation.as_str().is_some_and(|name| name.eq_ignore_ascii_case("verify"));
    match operations {
        None | Some(Value::Null) => true,
        Some(Value::Array(operations)) => operations.is_empty() || operations.iter().any(is_verify),
        Some(operation) => is_verify(operation),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, KeyFault> {
    let upper = name.to_ascii_uppercase();
    if ["RSA-OAEP", "RSA1_5", "ECDH-ES"].iter().any(|encryption| upper.starts_with(encryption)) {
        return Err(KeyFault::NotForSignatures);
    }
    match upper.as_str() {
        // The second name is that of RFC 9864.
        "EDDSA" | "ED25519" => Ok(Algorithm::EdDSA),
        upper => upper.parse().map_err(|_| KeyFault::UnsupportedAlgorithm),
    }
}

fn rsa_key(jwk: &Map<String, Value>) -> Result<DecodingKey, KeyFault> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let bits = 8 * modulus.len() - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2_048..=8_192).contains(&bits) {
        return Err(KeyFault::RsaSize);
    }
    // An even modulus or exponent belongs to no key, and with the exponent 1 every signature would be valid.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !is_odd(&modulus) || !is_odd(&exponent) || exponent == [1] || exponent.len() > 4 {
        return Err(KeyFault::InvalidKey);
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn ec_key(jwk: &Map<String, Value>) -> Result<(DecodingKey, Option<Algorithm>), KeyFault> {
    let (size, algorithm) = match text(jwk, "crv").unwrap_or_default().to_ascii_uppercase().as_str() {
        "P-256" => (32_usize, Algorithm::ES256),
        "P-384" => (48, Algorithm::ES384),
        _ => return Err(KeyFault::UnsupportedCurve),
    };
    // An uncompressed point (SEC 1, section 2.3.3). Some libraries leave out zeros at the beginning of a coordinate.
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = number(jwk, name)?;
        let zeros = size.checked_sub(coordinate.len()).ok_or(KeyFault::InvalidKey)?;
        point.extend(std::iter::repeat_n(0, zeros));
        point.extend(coordinate);
    }
    check(match algorithm {
        Algorithm::ES256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point),
        _ => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &point),
    })?;
    Ok((DecodingKey::from_ec_der(&point), Some(algorithm)))
}

fn ed25519_key(jwk: &Map<String, Value>) -> Result<DecodingKey, KeyFault> {
    match text(jwk, "crv").unwrap_or_default().to_ascii_uppercase().as_str() {
        "ED25519" => {}
        "X25519" | "X448" => return Err(KeyFault::NotForSignatures),
        _ => return Err(KeyFault::UnsupportedCurve),
    }
    let key = bytes(jwk, "x")?;
    check(ParsedPublicKey::new(&ED25519, &key))?;
    Ok(DecodingKey::from_ed_der(&key))
}

fn check(parsed: Result<ParsedPublicKey, KeyRejected>) -> Result<(), KeyFault> {
    parsed.map(|_| ()).map_err(|_| KeyFault::InvalidKey)
}

/// An unsigned big-endian number, without zeros at its beginning.
fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let bytes = bytes(jwk, name)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// Decodes a member in base64url. Libraries also write the standard alphabet, padding and line breaks.
fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let url_safe = |character| match character {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    let text = text(jwk, name).ok_or(KeyFault::Parameter(name))?;
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).map(url_safe).collect();
    lenient_base64url().decode(text.trim_end_matches('=').as_bytes()).map_err(|_| KeyFault::Parameter(name))
}

/// Without the check that unused bits of the last character are zero.
#[expect(clippy::expect_used, reason = "a valid specification without one check is valid")]
fn lenient_base64url() -> Encoding {
    let mut specification = BASE64URL_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().expect("the specification is valid")
}

#[cfg(test)]
mod tests;

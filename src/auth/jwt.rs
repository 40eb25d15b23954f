//! Callers that are known by a token: a JWT that an issuer signed (RFC 7519, RFC 9068).
//!
//! Issuer, audience, expiry, not-before and algorithm are all required to be right; which algorithms are, says the
//! configuration, and the kind of the key that the token names. The token says who the caller is, what they may do, and, where
//! there are several, which upstream they belong to.

use aws_lc_rs::hmac;
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::jwks_cache::{JwksCache, KeyLookupError};
use super::jwks_client::JwksClient;
use super::{AuthError, Principal};
use crate::config::{Jwt, Secret};
use crate::http_client::TrustStoreError;
use crate::metrics::Metrics;
use crate::model::{Scope, Scopes, StrEnum, mask_personal_data};

/// Callers with tokens of one issuer.
#[derive(Debug)]
pub struct JwtVerifier {
    keys: JwksCache,
    algorithms: Vec<Algorithm>,
    /// Without the algorithm, which is that of the token once it is known to be allowed.
    validation: Validation,
    upstream: UpstreamBinding,
    scope_claim: String,
    /// What labels of callers are made with.
    label_key: hmac::Key,
}

/// Which upstream a caller belongs to.
#[derive(Debug)]
enum UpstreamBinding {
    /// The only one.
    All(String),
    /// The one that this claim names, out of these.
    Claim { claim: String, upstreams: Vec<String> },
}

type Claims = Map<String, Value>;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8_192;
/// The longest name of a caller, in bytes.
const MAX_SUBJECT: usize = 255;
/// How much the issuer's clock may differ from ours, in seconds.
const LEEWAY: u64 = 5;

const MALFORMED: AuthError = AuthError::Invalid("The token is no signed JWT.");

impl JwtVerifier {
    /// Tokens as the configuration wants them, for these upstreams; the secret is for labels in logs. Fetches the issuer's keys in the background.
    ///
    /// # Errors
    /// When no https connection could ever be made.
    pub fn try_new(
        jwt: &Jwt,
        secret: Option<&Secret>,
        upstreams: Vec<String>,
        metrics: Metrics,
    ) -> Result<Self, TrustStoreError> {
        let issuer = JwksClient::try_new(jwt)?;
        let keys = JwksCache::new(Box::new(move || {
            let (issuer, metrics) = (issuer.clone(), metrics.clone());
            async move {
                let keys = issuer.keys().await;
                metrics.keys_fetched(keys.is_some());
                keys
            }
            .boxed()
        }));
        keys.refresh_in_background();
        let mut validation = Validation::default();
        validation.algorithms.clear();
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&jwt.issuer]);
        validation.set_audience(&jwt.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let upstream = match &jwt.upstream_claim {
            Some(claim) => UpstreamBinding::Claim { claim: claim.clone(), upstreams },
            // The configuration has exactly one then, or it would not have been accepted.
            None => UpstreamBinding::All(upstreams.into_iter().next().unwrap_or_default()),
        };
        let (algorithms, scope_claim) = (jwt.algorithms.clone(), jwt.scope_claim.clone());
        Ok(Self { keys, algorithms, validation, upstream, scope_claim, label_key: label_key(secret) })
    }

    /// Who this token is about.
    pub(super) async fn authenticate(&self, token: &str) -> Result<Principal, AuthError> {
        if token.len() > MAX_TOKEN {
            return Err(AuthError::Invalid("The token has more than 8192 bytes."));
        }
        let header = decode_header(token).map_err(|_| MALFORMED)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(AuthError::Invalid("The token is signed with an algorithm that is not allowed."));
        }
        // Whoever does not understand what is critical must not accept it (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(AuthError::Invalid("The token has critical extensions, and none is known here."));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await.map_err(|missing| match missing {
            KeyLookupError::Unknown => AuthError::Invalid("The token is signed with a key that its issuer does not have."),
            KeyLookupError::Unavailable => AuthError::Unavailable,
        })?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let token = decode::<Claims>(token, &key, &validation).map_err(|error| AuthError::Invalid(describe(error.kind())))?;
        self.caller_of(&token.claims)
    }

    fn caller_of(&self, claims: &Claims) -> Result<Principal, AuthError> {
        let name = text(claims, "sub").filter(|name| !name.trim().is_empty() && name.len() <= MAX_SUBJECT);
        let name = name.ok_or(AuthError::Invalid("The token's sub is empty or too long."))?;
        // The library takes a list with the right issuer in it, too.
        text(claims, "iss").ok_or(AuthError::Invalid("The token is of another issuer."))?;
        let upstream = match &self.upstream {
            UpstreamBinding::All(upstream) => upstream,
            UpstreamBinding::Claim { claim, upstreams } => {
                let wanted = text(claims, claim);
                upstreams.iter().find(|known| Some(known.as_str()) == wanted).ok_or(AuthError::Unbound)?
            }
        };
        Ok(Principal::new(name.to_owned(), self.label(name), upstream.clone(), scopes(claims.get(&self.scope_claim)), None))
    }

    /// What a caller is called in logs. Some issuers know people by personal numbers or addresses, and those do not stand there;
    /// but whoever is one person must not look like another.
    fn label(&self, name: &str) -> String {
        let masked = mask_personal_data(name);
        if masked == name {
            return masked;
        }
        let sign = hmac::sign(&self.label_key, name.as_bytes());
        format!("{masked}#{}", hex::encode(sign.as_ref().get(..6).unwrap_or_default()))
    }
}

/// With a secret all replicas give a caller the same label, and after a restart too.
fn label_key(secret: Option<&Secret>) -> hmac::Key {
    let random = || Uuid::new_v4().as_bytes().to_vec();
    let bytes = secret.map_or_else(random, |secret| secret.with(|text| text.as_bytes().to_vec()));
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// Scopes stand in a text with spaces between them (RFC 8693, section 4.2) or, with some issuers, in a list. Those of others
/// say nothing here.
fn scopes(claim: Option<&Value>) -> Scopes {
    match claim {
        Some(Value::String(text)) => text.split(' ').filter_map(Scope::parse).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).filter_map(Scope::parse).collect(),
        _ => Scopes::default(),
    }
}

fn describe(error: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error {
        ErrorKind::ExpiredSignature => "The token has expired.",
        ErrorKind::ImmatureSignature => "The token is not good yet.",
        ErrorKind::InvalidIssuer => "The token is of another issuer.",
        ErrorKind::InvalidAudience => "The token is for another audience.",
        ErrorKind::InvalidSignature => "The token's signature is wrong.",
        ErrorKind::MissingRequiredClaim(_) => "The token lacks one of exp, iss, aud and sub.",
        _ => "The token cannot be accepted.",
    }
}

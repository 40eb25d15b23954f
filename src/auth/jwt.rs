//! Authentication with JWT bearer tokens of one issuer (RFC 7519, RFC 9068).
//!
//! Issuer, audience, expiry, not-before and signature algorithm are all checked. The algorithm must be one of the configured
//! ones and fit the key that the token names. The claims name the principal, its scopes and, where there are several, its
//! upstream.

use aws_lc_rs::hmac;
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::jwks_cache::{JwksCache, KeyLookupError};
use super::jwks_client::JwksClient;
use super::{AuthError, Principal};
use crate::config::{Jwt, Secret};
use crate::http_client::{HttpClientError, error_chain};
use crate::metrics::Metrics;
use crate::model::{Scope, Scopes, StrEnum, mask_personal_data};

/// Verifies the tokens of one issuer.
#[derive(Debug)]
pub struct JwtVerifier {
    keys: JwksCache,
    algorithms: Vec<Algorithm>,
    /// Without algorithms: each token is validated with its own one, after a check that it is permitted.
    validation: Validation,
    upstream: UpstreamBinding,
    scope_claim: String,
    /// HMAC key for the labels of principals in logs.
    label_key: hmac::Key,
}

/// How a token is bound to an upstream.
#[derive(Debug)]
enum UpstreamBinding {
    /// Every token belongs to the only upstream.
    All(String),
    /// The claim names one of these upstreams.
    Claim { claim: String, upstreams: Vec<String> },
}

type Claims = Map<String, Value>;

const MAX_TOKEN_BYTES: usize = 8_192;
const MAX_SUBJECT_BYTES: usize = 255;
/// Permitted clock skew between the issuer and the gateway.
const LEEWAY_SECONDS: u64 = 5;
/// Length of the hash in a label: enough to distinguish principals in logs.
const LABEL_HASH_BYTES: usize = 6;

const TOO_LONG: AuthError = AuthError::Invalid("The token has more than 8192 bytes.");
const MALFORMED: AuthError = AuthError::Invalid("The token is not a signed JWT.");

impl JwtVerifier {
    /// Makes a verifier for the configured issuer, and starts fetching its keys in the background. `secret` makes the labels
    /// of principals equal in all replicas.
    ///
    /// # Errors
    /// [`HttpClientError`] when keys could never be fetched.
    ///
    /// # Panics
    /// When there are several upstreams and no claim to choose one; the configuration does not permit that.
    #[expect(clippy::expect_used, reason = "the configuration requires an upstream, and a claim where there are several")]
    pub fn try_new(
        jwt: &Jwt,
        secret: Option<&Secret>,
        upstreams: Vec<String>,
        metrics: Metrics,
    ) -> Result<Self, HttpClientError> {
        let client = JwksClient::try_new(jwt)?;
        let keys = JwksCache::new(Box::new(move || {
            let (client, metrics) = (client.clone(), metrics.clone());
            async move {
                let keys = client.fetch().await;
                metrics.keys_fetched(keys.is_ok());
                if let Err(error) = &keys {
                    tracing::error!(
                        reason = error_chain(error),
                        "the keys of the token issuer cannot be fetched; cached keys stay in use"
                    );
                }
                keys.ok()
            }
            .boxed()
        }));
        keys.refresh_in_background();
        let mut validation = Validation::default();
        validation.algorithms.clear();
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&jwt.issuer]);
        validation.set_audience(&jwt.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let upstream = match &jwt.upstream_claim {
            Some(claim) => UpstreamBinding::Claim { claim: claim.clone(), upstreams },
            None => UpstreamBinding::All(upstreams.into_iter().next().expect("at least one upstream is configured")),
        };
        let (algorithms, scope_claim) = (jwt.algorithms.clone(), jwt.scope_claim.clone());
        Ok(Self { keys, algorithms, validation, upstream, scope_claim, label_key: label_key(secret) })
    }

    /// Verifies a token and returns the principal in its claims.
    pub(super) async fn authenticate(&self, token: &str) -> Result<Principal, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TOO_LONG);
        }
        let header = decode_header(token).map_err(|_| MALFORMED)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(AuthError::Invalid("The token is signed with an algorithm that is not permitted."));
        }
        // A token with critical extensions must be rejected unless all are understood (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(AuthError::Invalid("The token has critical extensions, and none is supported here."));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await.map_err(|error| match error {
            KeyLookupError::Unknown => AuthError::Invalid("The token is signed with a key that its issuer does not publish."),
            KeyLookupError::Unavailable => AuthError::Unavailable,
        })?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let token = decode::<Claims>(token, &key, &validation).map_err(|error| AuthError::Invalid(describe(error.kind())))?;
        self.principal(&token.claims)
    }

    fn principal(&self, claims: &Claims) -> Result<Principal, AuthError> {
        let name = text(claims, "sub").filter(|name| !name.trim().is_empty() && name.len() <= MAX_SUBJECT_BYTES);
        let name = name.ok_or(AuthError::Invalid("The token's sub is empty or too long."))?;
        // The library also accepts a list that contains the issuer; RFC 7519 does not permit one.
        text(claims, "iss").ok_or(AuthError::Invalid("The token is from another issuer."))?;
        let upstream = match &self.upstream {
            UpstreamBinding::All(upstream) => upstream,
            UpstreamBinding::Claim { claim, upstreams } => {
                let wanted = text(claims, claim);
                upstreams.iter().find(|known| Some(known.as_str()) == wanted).ok_or(AuthError::Unbound)?
            }
        };
        Ok(Principal::new(name.to_owned(), self.label(name), upstream.clone(), scopes(claims.get(&self.scope_claim)), None))
    }

    /// The principal's name in logs. A subject that looks like personal data (some issuers use personal numbers or e-mail
    /// addresses) is masked, and a hash is added so that different principals stay distinguishable.
    fn label(&self, subject: &str) -> String {
        let masked = mask_personal_data(subject);
        if masked == subject {
            return masked;
        }
        let mut hash = hex::encode(hmac::sign(&self.label_key, subject.as_bytes()));
        hash.truncate(2 * LABEL_HASH_BYTES);
        format!("{masked}#{hash}")
    }
}

/// With a secret, labels are the same in all replicas and after a restart. Without one, they are those of this process.
fn label_key(secret: Option<&Secret>) -> hmac::Key {
    match secret {
        Some(secret) => secret.with(|text| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())),
        None => hmac::Key::new(hmac::HMAC_SHA256, Uuid::new_v4().as_bytes()),
    }
}

fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// The scopes of a claim: separated by spaces (RFC 8693, section 4.2) or, with some issuers, in an array. Scopes of other
/// services are ignored.
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
        ErrorKind::ImmatureSignature => "The token is not valid yet.",
        ErrorKind::InvalidIssuer => "The token is from another issuer.",
        ErrorKind::InvalidAudience => "The token is for another audience.",
        ErrorKind::InvalidSignature => "The signature of the token is invalid.",
        ErrorKind::MissingRequiredClaim(_) => "The token lacks one of exp, iss, aud and sub.",
        _ => "The token cannot be accepted.",
    }
}

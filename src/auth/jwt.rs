//! Authentication with JWT bearer tokens of one issuer (RFC 7519, RFC 9068).
//!
//! Issuer, audience, expiry, not-before and signature algorithm are all checked. The algorithm must be one of the configured
//! ones and fit the key that the token names. The claims name the principal, its scopes and, where there are several, its
//! upstream.

use aws_lc_rs::hmac;
use futures_util::FutureExt;
use jsonwebtoken::Algorithm;
use tokio::time::Instant;
use uuid::Uuid;

use super::claims::{self, ClaimRules, Claims};
use super::jwks_cache::{JwksCache, KeyLookupError};
use super::jwks_client::JwksClient;
use super::token::Token;
use super::{AuthError, Principal};
use crate::config::{Jwt, Secret};
use crate::http_client::ConnectorError;
use crate::metrics::Metrics;
use crate::model::{self, mask_personal_data};

/// Verifies the tokens of one issuer.
#[derive(Debug)]
pub struct JwtVerifier {
    keys: JwksCache,
    algorithms: Vec<Algorithm>,
    rules: ClaimRules,
    upstream: UpstreamBinding,
    scope_claims: Vec<String>,
    scope_prefix: String,
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

/// Length of the hash in a label: enough to distinguish principals in logs.
const LABEL_HASH_BYTES: usize = 6;

const UNKNOWN_KEY: AuthError = AuthError::Invalid("The token is signed with a key that its issuer does not publish.");
const UNUSABLE_KEY: AuthError = AuthError::Invalid(
    "The token is signed with a key of its issuer that cannot be used here. The operator of the gateway finds the reason in its log.",
);
const UNNAMED_KEY: AuthError =
    AuthError::Invalid("The token's kid does not say which of many keys of its issuer it is signed with.");
const UNKNOWN_UPSTREAM: AuthError = AuthError::Unbound("The token names an upstream that this gateway does not have.");

impl JwtVerifier {
    /// Checks what [`Self::try_new`] needs, and fetches nothing.
    ///
    /// # Errors
    /// [`ConnectorError`] when keys could never be fetched.
    pub fn check(jwt: &Jwt, metrics: Metrics) -> Result<(), ConnectorError> {
        JwksClient::try_new(jwt, metrics).map(drop)
    }

    /// Makes a verifier for the configured issuer, and starts fetching its keys in the background. `secret` makes the labels
    /// of principals equal in all replicas.
    ///
    /// # Errors
    /// [`ConnectorError`] when keys could never be fetched.
    ///
    /// # Panics
    /// When there are several upstreams and no claim to choose one; the configuration does not permit that.
    #[expect(clippy::expect_used, reason = "the configuration requires an upstream, and a claim where there are several")]
    pub fn try_new(
        jwt: &Jwt,
        secret: Option<&Secret>,
        upstreams: Vec<String>,
        metrics: Metrics,
    ) -> Result<Self, ConnectorError> {
        let client = JwksClient::try_new(jwt, metrics)?;
        let keys = JwksCache::new(Box::new(move || {
            let client = client.clone();
            async move { client.fetch().await }.boxed()
        }));
        keys.refresh_in_background();
        let upstream = match &jwt.upstream_claim {
            Some(claim) => UpstreamBinding::Claim { claim: claim.clone(), upstreams },
            None => UpstreamBinding::All(upstreams.into_iter().next().expect("at least one upstream is configured")),
        };
        Ok(Self {
            keys,
            algorithms: jwt.algorithms.clone(),
            rules: ClaimRules { issuer: jwt.issuer.clone(), audience: jwt.audience.clone(), leeway: jwt.leeway.as_secs_f64() },
            upstream,
            scope_claims: jwt.scope_claims.clone(),
            scope_prefix: jwt.scope_prefix.clone(),
            label_key: label_key(secret),
        })
    }

    /// Verifies a token and returns the principal in its claims. Waits for the issuer's keys until `deadline`.
    pub(super) async fn authenticate(&self, token: &str, deadline: Instant) -> Result<Principal, AuthError> {
        let token = Token::parse(token, &self.algorithms)?;
        let keys = self.keys.find(token.key_id.as_deref(), token.algorithm, deadline).await.map_err(|error| match error {
            KeyLookupError::Unknown => UNKNOWN_KEY,
            KeyLookupError::Rejected => UNUSABLE_KEY,
            KeyLookupError::Ambiguous => UNNAMED_KEY,
            KeyLookupError::Unavailable { retry_after } => AuthError::Unavailable { retry_after },
        })?;
        self.principal(&token.verify(&keys)?)
    }

    fn principal(&self, claims: &Claims) -> Result<Principal, AuthError> {
        let name = self.rules.check(claims, model::now().as_second())?;
        let upstream = match &self.upstream {
            UpstreamBinding::All(upstream) => upstream,
            UpstreamBinding::Claim { claim, upstreams } => {
                let wanted = claims::upstream(claims, claim)?;
                upstreams.iter().find(|known| *known == wanted).ok_or(UNKNOWN_UPSTREAM)?
            }
        };
        let scopes = claims::scopes(claims, &self.scope_claims, &self.scope_prefix);
        Ok(Principal::new(name.to_owned(), self.label(name), upstream.clone(), scopes, None))
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

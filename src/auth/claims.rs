//! The claims of a verified token: whether it is valid here and now, and what it says about its principal.

use serde_json::{Map, Value};

use super::AuthError;
use crate::model::{Scope, Scopes, StrEnum};

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// What the claims of a valid token say (RFC 7519, section 4.1).
#[derive(Debug, Clone)]
pub(super) struct ClaimRules {
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
    /// Permitted clock skew between the issuer and the gateway, in seconds.
    pub(super) leeway: f64,
}

const MAX_SUBJECT_BYTES: usize = 255;

const NO_EXPIRY: AuthError = AuthError::Invalid("The token lacks the claim exp.");
const BAD_EXPIRY: AuthError = AuthError::Invalid("The token's exp is not a number.");
const EXPIRED: AuthError = AuthError::Invalid("The token has expired.");
const BAD_NOT_BEFORE: AuthError = AuthError::Invalid("The token's nbf is not a number.");
const NOT_YET_VALID: AuthError = AuthError::Invalid("The token is not valid yet.");
const NO_ISSUER: AuthError = AuthError::Invalid("The token lacks the claim iss.");
const OTHER_ISSUER: AuthError = AuthError::Invalid("The token is from another issuer.");
const OTHER_SLASH: AuthError =
    AuthError::Invalid("The token's iss is not the configured issuer: only one of them ends with a slash.");
const NO_AUDIENCE: AuthError = AuthError::Invalid("The token lacks the claim aud.");
const BAD_AUDIENCE: AuthError = AuthError::Invalid("The token's aud is neither a text nor a list of texts.");
const OTHER_AUDIENCE: AuthError = AuthError::Invalid("The token is for another audience.");
const NO_SUBJECT: AuthError = AuthError::Invalid("The token lacks the claim sub.");
const BAD_SUBJECT: AuthError = AuthError::Invalid("The token's sub is not a text, or is empty or too long.");

impl ClaimRules {
    /// Checks the claims of a token at a time in seconds since 1970, and returns its subject.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have 31 bits")]
    pub(super) fn check<'c>(&self, claims: &'c Claims, now: i64) -> Result<&'c str, AuthError> {
        let now = now as f64;
        let expiry = claim(claims, "exp").ok_or(NO_EXPIRY)?.as_f64().ok_or(BAD_EXPIRY)?;
        if expiry + self.leeway < now {
            return Err(EXPIRED);
        }
        if let Some(not_before) = claim(claims, "nbf")
            && not_before.as_f64().ok_or(BAD_NOT_BEFORE)? > now + self.leeway
        {
            return Err(NOT_YET_VALID);
        }
        self.check_issuer(claim(claims, "iss").ok_or(NO_ISSUER)?)?;
        self.check_audience(claim(claims, "aud").ok_or(NO_AUDIENCE)?)?;
        let subject = claim(claims, "sub").ok_or(NO_SUBJECT)?.as_str();
        subject.filter(|name| !name.trim().is_empty() && name.len() <= MAX_SUBJECT_BYTES).ok_or(BAD_SUBJECT)
    }

    fn check_issuer(&self, issuer: &Value) -> Result<(), AuthError> {
        match issuer.as_str() {
            Some(issuer) if issuer == self.issuer => Ok(()),
            Some(issuer) if issuer.trim_end_matches('/') == self.issuer.trim_end_matches('/') => Err(OTHER_SLASH),
            _ => Err(OTHER_ISSUER),
        }
    }

    fn check_audience(&self, audience: &Value) -> Result<(), AuthError> {
        let audience = match audience {
            Value::Array(items) => items.iter().map(Value::as_str).collect(),
            one => one.as_str().map(|one| vec![one]),
        };
        let is_ours = |audience: &&str| self.audience.iter().any(|own| own == audience);
        if audience.ok_or(BAD_AUDIENCE)?.iter().any(is_ours) { Ok(()) } else { Err(OTHER_AUDIENCE) }
    }
}

/// A claim; `null` is the same as none.
fn claim<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    claims.get(name).filter(|value| !value.is_null())
}

/// A claim by its name, or by a dotted path to it such as `realm_access.roles`. Names may contain dots, as URLs do, so a whole
/// name is preferred to a path.
fn claim_at<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    claim(claims, path).or_else(|| {
        let below = |(position, _)| claim_at(claims.get(path.get(..position)?)?.as_object()?, path.get(position + 1..)?);
        path.match_indices('.').find_map(below)
    })
}

/// The scopes in several claims. Each is a text or a list of texts, in which scopes are separated by white space (RFC 8693,
/// section 4.2) or, with some issuers, by commas. What does not begin with `prefix`, and scopes of other services, are ignored.
pub(super) fn scopes(claims: &Claims, paths: &[String], prefix: &str) -> Scopes {
    let values = paths.iter().filter_map(|path| claim_at(claims, path));
    let texts = values.flat_map(|value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    });
    let names = texts.flat_map(|text| text.split(|character: char| character == ',' || character.is_whitespace()));
    names.filter_map(|name| Scope::parse(name.strip_prefix(prefix)?)).collect()
}

/// The upstream that a claim names: a text, or a list of one text.
pub(super) fn upstream<'c>(claims: &'c Claims, path: &str) -> Result<&'c str, AuthError> {
    const ABSENT: AuthError = AuthError::Unbound("The token has no claim that names an upstream of this gateway.");
    const SEVERAL: AuthError = AuthError::Unbound("The token names several upstreams, and a request is for one.");
    const NOT_TEXT: AuthError = AuthError::Unbound("The token's claim that names an upstream is not a text.");
    match claim_at(claims, path).ok_or(ABSENT)? {
        Value::Array(items) => match items.as_slice() {
            [] => Err(ABSENT),
            [one] => one.as_str().ok_or(NOT_TEXT),
            [..] => Err(SEVERAL),
        },
        one => one.as_str().ok_or(NOT_TEXT),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_whole_name_is_preferred_to_a_path() {
        let claims = claims(&json!({
            "https://example.com/roles": "url",
            "realm_access": {"roles": "nested", "a.b": {"c": "dotted"}},
            "realm_access.roles": "literal",
            "a": {"b": {"c": "deep"}, "b.c": "half"},
            "text": "x",
            "none": null,
        }));
        for (path, expected) in [
            ("https://example.com/roles", Some("url")),
            ("realm_access.roles", Some("literal")),
            ("realm_access.a.b.c", Some("dotted")),
            ("a.b.c", Some("half")),
            ("realm_access.missing", None),
            ("text.more", None),
            ("none", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(claim_at(&claims, path).and_then(Value::as_str), expected, "{path}");
        }
    }

    #[test]
    fn scopes_are_read_from_all_claims_in_any_form() {
        let read = Scope::parse("orders:read").unwrap();
        let write = Scope::parse("orders:write").unwrap();
        let both: Scopes = [read, write].into_iter().collect();
        let paths = ["scope".to_owned(), "realm_access.roles".to_owned()];
        for (value, prefix, expected) in [
            (json!({"scope": "orders:read orders:write"}), "", both),
            (json!({"scope": "orders:read,orders:write"}), "", both),
            (json!({"scope": "orders:read,\torders:write\n"}), "", both),
            (json!({"scope": ["orders:read", "x", 7, "orders:write"]}), "", both),
            (json!({"scope": ["orders:read orders:write"]}), "", both),
            (json!({"scope": "orders:read", "realm_access": {"roles": ["orders:write"]}}), "", both),
            (json!({"scope": "orders-api/orders:read orders-api/orders:write"}), "orders-api/", both),
            (json!({"scope": "orders-api/orders:read orders:write"}), "orders-api/", [read].into_iter().collect()),
            (json!({"scope": "orders-api/orders:read"}), "", Scopes::default()),
            (json!({"scope": {"orders:read": true}}), "", Scopes::default()),
            (json!({"scope": "ORDERS:READ orders:reader"}), "", Scopes::default()),
        ] {
            assert_eq!(scopes(&claims(&value), &paths, prefix), expected, "{value} {prefix}");
        }
    }
}

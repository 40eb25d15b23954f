//! What a request is known by.

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::AuthError;

/// A credential as it stands in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential<'h> {
    /// `Authorization: Bearer …`
    Bearer(&'h str),
    /// `X-API-Key: …`
    ApiKey(&'h str),
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SCHEME: &str = "Bearer ";

impl<'h> Credential<'h> {
    /// The one credential that the headers have. Two of them may be of two callers, and are none.
    pub(super) fn read(headers: &'h HeaderMap) -> Result<Self, AuthError> {
        let bearer = one(headers, &AUTHORIZATION)?.map(bearer).transpose()?;
        let key = one(headers, &API_KEY)?.map(str::trim);
        if key.is_some_and(str::is_empty) {
            return Err(AuthError::Invalid("X-API-Key is empty."));
        }
        match (bearer, key) {
            (Some(token), None) => Ok(Self::Bearer(token)),
            (None, Some(key)) => Ok(Self::ApiKey(key)),
            (None, None) => Err(AuthError::Missing),
            (Some(_), Some(_)) => Err(AuthError::Invalid("Authorization and X-API-Key are both given: give one.")),
        }
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, AuthError> {
    let text = |value: &'h HeaderValue| value.to_str().map_err(|_| AuthError::Invalid("The credential is not visible ASCII."));
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(AuthError::Invalid("The credential is given more than once.")),
        (value, _) => value.map(text).transpose(),
    }
}

/// The scheme may be written in any case, and more than one space may follow it (RFC 9110, section 11.1).
fn bearer(value: &str) -> Result<&str, AuthError> {
    let (scheme, token) = value.trim().split_at_checked(SCHEME.len()).unwrap_or((value, ""));
    let token = token.trim_start();
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty();
    is_bearer.then_some(token).ok_or(AuthError::Invalid("Authorization must be Bearer, a space and the credential."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(HeaderName, &'static str)]) -> Result<&'static str, AuthError> {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).fold(
            HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        );
        let headers = Box::leak(Box::new(headers));
        Credential::read(headers).map(|(Credential::Bearer(text) | Credential::ApiKey(text))| text)
    }

    #[test]
    fn one_credential_is_read_in_either_header() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc", " Bearer abc "] {
            assert_eq!(read(&[(AUTHORIZATION, value)]), Ok("abc"), "{value}");
        }
        assert_eq!(read(&[(API_KEY, " abc")]), Ok("abc"));
        assert_eq!(read(&[]), Err(AuthError::Missing));
    }

    #[test]
    fn everything_else_is_none() {
        for value in ["", "Bearer", "Bearer ", "Basic YTpi", "abc", "Bearerabc"] {
            assert!(matches!(read(&[(AUTHORIZATION, value)]), Err(AuthError::Invalid(_))), "{value}");
        }
        let twice = [(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer a")];
        let both = [(AUTHORIZATION, "Bearer a"), (API_KEY, "a")];
        assert!(matches!(read(&twice), Err(AuthError::Invalid(_))) && matches!(read(&both), Err(AuthError::Invalid(_))));
    }
}

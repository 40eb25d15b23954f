//! The credential in the headers of a request.

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::AuthError;

/// A credential that has not been checked yet.
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
    /// Reads the only credential. Two of them are refused: they could belong to two clients.
    pub(super) fn read(headers: &'h HeaderMap) -> Result<Self, AuthError> {
        let token = single_value(headers, &AUTHORIZATION)?.map(bearer_token).transpose()?;
        let key = single_value(headers, &API_KEY)?.map(str::trim);
        if key.is_some_and(str::is_empty) {
            return Err(AuthError::Invalid("X-API-Key is empty."));
        }
        match (token, key) {
            (Some(token), None) => Ok(Self::Bearer(token)),
            (None, Some(key)) => Ok(Self::ApiKey(key)),
            (None, None) => Err(AuthError::Missing),
            (Some(_), Some(_)) => Err(AuthError::Invalid("Authorization and X-API-Key are both present: send only one.")),
        }
    }
}

fn single_value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, AuthError> {
    let text =
        |value: &'h HeaderValue| value.to_str().map_err(|_| AuthError::Invalid("The credential is not printable ASCII."));
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(AuthError::Invalid("The credential is present more than once.")),
        (value, _) => value.map(text).transpose(),
    }
}

/// The scheme is case-insensitive and may be followed by more than one space (RFC 9110, section 11.1).
fn bearer_token(value: &str) -> Result<&str, AuthError> {
    let (scheme, token) = value.trim().split_at_checked(SCHEME.len()).unwrap_or((value, ""));
    let token = token.trim_start();
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty();
    is_bearer.then_some(token).ok_or(AuthError::Invalid("Authorization must be `Bearer`, a space and the credential."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(HeaderName, &'static str)]) -> Result<String, AuthError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        Credential::read(&map).map(|(Credential::Bearer(text) | Credential::ApiKey(text))| text.to_owned())
    }

    #[test]
    fn credential_is_read_from_either_header() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc", " Bearer abc "] {
            assert_eq!(read(&[(AUTHORIZATION, value)]), Ok("abc".to_owned()), "{value}");
        }
        assert_eq!(read(&[(API_KEY, " abc")]), Ok("abc".to_owned()));
        assert_eq!(read(&[]), Err(AuthError::Missing));
    }

    #[test]
    fn other_schemes_are_invalid() {
        for value in ["", "Bearer", "Bearer ", "Basic YTpi", "abc", "Bearerabc"] {
            assert!(matches!(read(&[(AUTHORIZATION, value)]), Err(AuthError::Invalid(_))), "{value}");
        }
    }

    #[test]
    fn two_credentials_are_invalid() {
        let twice = [(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer a")];
        let both = [(AUTHORIZATION, "Bearer a"), (API_KEY, "a")];

        for headers in [twice, both] {
            assert!(matches!(read(&headers), Err(AuthError::Invalid(_))), "{headers:?}");
        }
    }
}

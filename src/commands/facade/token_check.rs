//! Asks JSON systems at start what the tokens of the facade permit: with masked data, legacy clients would store asterisks.

use std::time::Duration;

use futures_util::future::join_all;

use crate::backend::{Error, RequestContext};
use crate::config::{ConfigErrors, InvalidValue};
use crate::model::{Scope, Scopes, StrEnum};
use crate::rest::client::Client;

/// A token that calls to a JSON system have.
#[derive(Debug)]
pub(super) struct TokenInUse {
    /// The client of the system, with this token.
    pub(super) client: Client,
    /// The configuration key of the token.
    pub(super) key: String,
    /// The name of the system.
    pub(super) system: String,
    /// How long the system may take to accept a connection.
    pub(super) connect_timeout: Duration,
}

/// What a request and its answer may take besides the connection.
const ANSWER: Duration = Duration::from_secs(1);

/// Asks all systems at once. What they do not say is only warned about: the facade starts while they are down.
///
/// # Errors
/// For each token that shows masked data, unless that is allowed.
pub(super) async fn check(tokens: Vec<TokenInUse>, allow_masked: bool) -> Result<(), ConfigErrors> {
    let asked = tokens.into_iter().map(|token| async move {
        let context = RequestContext::within(token.connect_timeout + ANSWER);
        (token.client.scopes(&context).await, token)
    });
    let mut errors = ConfigErrors::default();
    for (scopes, token) in join_all(asked).await {
        match scopes {
            Ok(scopes) => check_scopes(&token, scopes, allow_masked, &mut errors),
            Err(error) => warn_unknown(&token, &error),
        }
    }
    errors.into_result(())
}

fn check_scopes(token: &TokenInUse, scopes: Scopes, allow_masked: bool, errors: &mut ConfigErrors) {
    let TokenInUse { key, system, .. } = token;
    let missing: Vec<_> = Scope::ALL.iter().filter(|scope| !scopes.has(**scope)).map(|scope| scope.as_str()).collect();
    if !scopes.has(Scope::PersonalDataRead) && !allow_masked {
        let reason = "lacks the scope personal-data:read: it would hand masked data to legacy clients, which store them. Give \
                      it the scope, or set facade.allow_masked = true";
        errors.report(key, InvalidValue::Conflict(reason.into()));
    } else if !missing.is_empty() {
        let missing = missing.join(", ");
        tracing::warn!(key, system, "{key} lacks scopes at {system}: {missing}; calls that need them fail");
    }
}

fn warn_unknown(token: &TokenInUse, error: &Error) {
    let TokenInUse { key, system, .. } = token;
    let reason = match error {
        Error::CredentialRejected => "it does not accept the token",
        Error::InvalidResponse { .. } | Error::Refused { .. } | Error::NotFound => "it has no GET /me that says so",
        _ => "it does not answer",
    };
    tracing::warn!(
        key,
        system,
        "{system} does not say what {key} permits ({reason}): make sure that it has the scope personal-data:read, or legacy \
         clients get masked data"
    );
}

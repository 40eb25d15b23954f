//! Who makes a request, or what is said to somebody who is not known.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderValue, WWW_AUTHENTICATE};

use crate::auth::{AuthError, Authentication, Principal};
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};

/// When a token may be checked again that could not be.
const SOON: Duration = Duration::from_secs(1);

/// The caller, when there is one.
pub(super) async fn caller(
    authentication: &Authentication,
    headers: &HeaderMap,
    metrics: &Metrics,
) -> Result<Principal, Problem> {
    authentication.authenticate(headers).await.map_err(|denial| {
        metrics.denied(denial.kind());
        problem(denial)
    })
}

/// The challenges are RFC 6750's, section 3: one who sent nothing is not told of an error.
fn problem(denial: AuthError) -> Problem {
    let (challenge, detail) = match denial {
        AuthError::Missing => ("Bearer realm=\"orders\"", "The request has no credential."),
        AuthError::Invalid(detail) => ("Bearer realm=\"orders\", error=\"invalid_token\"", detail),
        AuthError::Unbound => return Problem::new(Code::Forbidden, "The token names no upstream of this gateway."),
        AuthError::Unavailable => {
            let detail = "The keys of the token's issuer cannot be had at the moment, so the token cannot be checked.";
            return Problem::new(Code::AuthenticationUnavailable, detail).retry_after(SOON);
        }
    };
    Problem::new(Code::Unauthenticated, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

//! Authentication: the principal of a request, or the problem that refuses it.

use http::HeaderMap;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use tokio::time::Instant;

use crate::auth::{AuthError, Authentication, Principal};
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};

/// Authenticates a request until its deadline, and counts it if that fails.
pub(super) async fn authenticate(
    authentication: &Authentication,
    headers: &HeaderMap,
    deadline: Instant,
    metrics: &Metrics,
) -> Result<Principal, Problem> {
    authentication.authenticate(headers, deadline).await.map_err(|error| {
        metrics.denied(error.kind());
        problem(error)
    })
}

/// The challenges follow RFC 6750, section 3: a request without credentials gets no error code.
fn problem(error: AuthError) -> Problem {
    let (challenge, detail) = match error {
        AuthError::Missing => ("Bearer realm=\"orders\"", "The request has no credentials."),
        AuthError::Invalid(detail) => ("Bearer realm=\"orders\", error=\"invalid_token\"", detail),
        AuthError::Unbound(detail) => return Problem::new(Code::Forbidden, detail),
        AuthError::Unavailable { retry_after } => {
            let detail = "The keys of the token issuer are unavailable, so the token cannot be verified.";
            return Problem::new(Code::AuthenticationUnavailable, detail).retry_after(retry_after);
        }
    };
    Problem::new(Code::Unauthenticated, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

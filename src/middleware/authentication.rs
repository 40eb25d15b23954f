//! Who makes a request, or what is said to somebody who is not known.

use http::HeaderMap;
use http::header::{HeaderValue, WWW_AUTHENTICATE};

use crate::access::{Authentication, Caller, Denial};
use crate::metrics::Metrics;
use crate::rest::problem::{Code, Problem};

/// The caller, when there is one.
pub(super) fn caller(authentication: &Authentication, headers: &HeaderMap, metrics: &Metrics) -> Result<Caller, Problem> {
    authentication.caller(headers).map_err(|denial| {
        metrics.denied(denial.kind());
        problem(denial)
    })
}

/// The challenges are RFC 6750's, section 3: one who sent nothing is not told of an error.
fn problem(denial: Denial) -> Problem {
    let (challenge, detail) = match denial {
        Denial::Missing => ("Bearer realm=\"orders\"", "The request has no credential."),
        Denial::Invalid(detail) => ("Bearer realm=\"orders\", error=\"invalid_token\"", detail),
    };
    Problem::new(Code::Unauthenticated, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

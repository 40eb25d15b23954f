//! Problem codes, by which programs distinguish errors.

use http::StatusCode;

/// The code of a problem, by which programs distinguish errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A fault in the path, the query or a header.
    InvalidParameter,
    /// The body is not JSON.
    MalformedBody,
    /// The body is JSON with an invalid value.
    InvalidValue,
    /// No order has this id.
    OrderNotFound,
    /// No customer has this id.
    CustomerNotFound,
    /// No route has this path.
    RouteNotFound,
    /// No problem has this code.
    ProblemNotFound,
    /// The route does not support the method.
    MethodNotAllowed,
    /// `Accept` excludes all representations.
    NotAcceptable,
    /// The request body was not complete in time.
    RequestTimeout,
    /// The request body exceeds its limit.
    BodyTooLarge,
    /// The request target exceeds its limit.
    UriTooLong,
    /// The request body has another media type.
    UnsupportedMediaType,
    /// The request headers exceed their limit.
    HeadersTooLarge,
    /// The credential is missing or invalid.
    Unauthenticated,
    /// The principal lacks a scope.
    Forbidden,
    /// The signing keys of the issuer are not available.
    AuthenticationUnavailable,
    /// The client exceeded its rate.
    TooManyRequests,
    /// The gateway rejected the request before sending anything.
    Overloaded,
    /// The upstream refused the request.
    RefusedByUpstream,
    /// The upstream rejects the gateway's credential or IP address.
    UpstreamCredentialRejected,
    /// The upstream cannot be connected to.
    UpstreamUnreachable,
    /// The upstream's answer to a read was not recognised.
    UpstreamAnswerInvalid,
    /// The upstream is unavailable, or its circuit breaker is open.
    UpstreamUnavailable,
    /// The upstream did not answer a read in time.
    UpstreamTimeout,
    /// `If-Match` does not match.
    PreconditionFailed,
    /// Another writer's status appeared after a conditional write.
    WriteConflict,
    /// The idempotency key was used for another message.
    IdempotencyKeyReused,
    /// Another request with the idempotency key is in progress.
    IdempotencyKeyInUse,
    /// A write is in doubt.
    OutcomeUnknown,
    /// A fault of the gateway.
    InternalError,
}

impl Code {
    /// Every code, roughly in the order in which a request is checked. [`Code::for_status`] takes the first of a status.
    pub const ALL: [Self; 31] = [
        Self::InvalidParameter,
        Self::MalformedBody,
        Self::InvalidValue,
        Self::OrderNotFound,
        Self::CustomerNotFound,
        Self::RouteNotFound,
        Self::ProblemNotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::HeadersTooLarge,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::TooManyRequests,
        Self::Overloaded,
        Self::AuthenticationUnavailable,
        Self::RefusedByUpstream,
        Self::UpstreamCredentialRejected,
        Self::UpstreamUnreachable,
        Self::UpstreamAnswerInvalid,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::PreconditionFailed,
        Self::WriteConflict,
        Self::IdempotencyKeyReused,
        Self::IdempotencyKeyInUse,
        Self::OutcomeUnknown,
        Self::InternalError,
    ];

    /// Parses the code as in JSON and URLs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.info().code == text)
    }

    /// The code for an error status without a problem, such as one that a framework set.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Self {
        Self::ALL.into_iter().find(|code| code.info().status == status).unwrap_or(Self::InternalError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_an_error() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.info().code), Some(code));
            assert!(code.info().status.is_client_error() || code.info().status.is_server_error());
        }
    }
}

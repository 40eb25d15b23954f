//! The codes of problems: one row each with everything that is ever said about it.

use http::StatusCode;

/// What went wrong, as programs tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Path, query or header.
    InvalidParameter,
    /// A body that is no JSON.
    MalformedBody,
    /// A body that is JSON and not what was asked for.
    InvalidValue,
    /// No such order.
    OrderNotFound,
    /// No such customer.
    CustomerNotFound,
    /// No such route.
    RouteNotFound,
    /// No such problem page.
    ProblemNotFound,
    /// The route has other methods.
    MethodNotAllowed,
    /// No representation fits `Accept`.
    NotAcceptable,
    /// The body was too slow.
    RequestTimeout,
    /// The body is too large.
    BodyTooLarge,
    /// The request target is too long.
    UriTooLong,
    /// The body is of another type.
    UnsupportedMediaType,
    /// The headers are too large.
    HeadersTooLarge,
    /// The request has no good credential.
    Unauthenticated,
    /// The caller may not do that.
    Forbidden,
    /// The credential cannot be checked.
    AuthenticationUnavailable,
    /// The caller asks too often.
    TooManyRequests,
    /// The gateway has too much to do.
    Overloaded,
    /// The order system said no.
    RefusedByUpstream,
    /// The order system does not accept the gateway.
    UpstreamCredentialRejected,
    /// The order system cannot be connected to.
    UpstreamUnreachable,
    /// The order system's answer was not recognised.
    UpstreamAnswerInvalid,
    /// The order system is out of service.
    UpstreamUnavailable,
    /// The order system is too slow.
    UpstreamTimeout,
    /// The order is not as `If-Match` says.
    PreconditionFailed,
    /// Another status appeared after a guarded write.
    WriteConflict,
    /// An idempotency key that was used for another message.
    IdempotencyKeyReused,
    /// An idempotency key that is being used.
    IdempotencyKeyInUse,
    /// A write that may or may not have happened.
    OutcomeUnknown,
    /// A fault of the gateway.
    InternalError,
}

/// What is said about a code.
#[derive(Debug)]
pub struct CodeInfo {
    /// The code as it is written.
    pub code: &'static str,
    /// The HTTP status, in the usual case.
    pub status: StatusCode,
    /// A short title, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what to do, for people.
    pub explanation: &'static str,
}

impl Code {
    /// Every code, in the order in which a request can meet them.
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

    /// The code with this spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.info().code == text)
    }

    /// The code that fits a status which nobody explained.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Self {
        Self::ALL.into_iter().find(|code| code.info().status == status).unwrap_or(Self::InternalError)
    }

    /// What is said about the code.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn info(self) -> CodeInfo {
        let (code, status, title, explanation) = match self {
            Self::InvalidParameter => (
                "invalid-parameter",
                StatusCode::BAD_REQUEST,
                "A parameter is not valid",
                "Something in the path, the query or a header is missing, unknown, repeated or malformed; `errors` names it. Nothing was sent to the order system. Correct the request.",
            ),
            Self::MalformedBody => (
                "malformed-body",
                StatusCode::BAD_REQUEST,
                "The body is no JSON",
                "The body is not JSON in UTF-8, or a member is there twice. Nothing was sent to the order system. Correct the request.",
            ),
            Self::InvalidValue => (
                "invalid-value",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The body has a value that is not allowed",
                "The body is JSON, but a member is missing, unknown, of another type, or has a value that is not allowed; `errors` points at it. Nothing was sent to the order system. Correct the request.",
            ),
            Self::OrderNotFound => (
                "order-not-found",
                StatusCode::NOT_FOUND,
                "No such order",
                "The order system has no order with this id that your network or company may see.",
            ),
            Self::CustomerNotFound => (
                "customer-not-found",
                StatusCode::NOT_FOUND,
                "No such customer",
                "The order system has no customer with this id that your network or company may see.",
            ),
            Self::RouteNotFound => (
                "route-not-found",
                StatusCode::NOT_FOUND,
                "No such route",
                "The gateway has no such path. Paths have no slash at their end; the OpenAPI document lists them all.",
            ),
            Self::ProblemNotFound => (
                "problem-not-found",
                StatusCode::NOT_FOUND,
                "No such problem",
                "There is no problem with this code, so there is no page about it.",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The route has no such method",
                "The path exists, the method does not; the header `Allow` lists those that do.",
            ),
            Self::NotAcceptable => (
                "not-acceptable",
                StatusCode::NOT_ACCEPTABLE,
                "No representation fits Accept",
                "The header `Accept` leaves out `application/json`, which is what this route answers. Nothing was sent to the order system.",
            ),
            Self::RequestTimeout => (
                "request-timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The body came too slowly",
                "The body of the request was not complete in time. Nothing was sent to the order system. Send the request again.",
            ),
            Self::BodyTooLarge => (
                "body-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large",
                "The body of the request has more than 65536 bytes. Nothing was sent to the order system.",
            ),
            Self::UriTooLong => (
                "uri-too-long",
                StatusCode::URI_TOO_LONG,
                "The request target is too long",
                "Path and query together have more than 8192 bytes. Nothing was sent to the order system.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is of another type",
                "The body must be declared as `Content-Type: application/json`; changes may also be `application/merge-patch+json`. Nothing was sent to the order system.",
            ),
            Self::HeadersTooLarge => (
                "headers-too-large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The headers are too large",
                "Names and values of the headers, with 4 bytes more for each, have more than 32768 bytes. Nothing was sent to the order system.",
            ),
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "No good credential",
                "The request has no credential, or one that is not known or no longer good; `detail` tells which. Nothing was sent to the order system. Send `Authorization: Bearer …` with the key or token that those who run the gateway gave you; a key may also stand in `X-API-Key`.",
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "Not allowed",
                "The credential is good, but it does not allow this; `detail` names what is missing. Nothing was sent to the order system. Those who run the gateway decide what a credential allows.",
            ),
            Self::AuthenticationUnavailable => (
                "authentication-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The credential cannot be checked",
                "Whoever signed the token does not tell the gateway their keys, so nobody knows whether the token is good. Nothing was sent to the order system. Send the request again after the time in `Retry-After`; if it stays, those who run the gateway should look at its log.",
            ),
            Self::TooManyRequests => (
                "too-many-requests",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                "You ask more often than those who run the gateway allow. Nothing was sent to the order system. Send the request again after the time in `Retry-After`.",
            ),
            Self::Overloaded => (
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "The gateway has too much to do",
                "The request could no longer have been answered in time, so nothing was sent to the order system. Send the request again after the time in `Retry-After`.",
            ),
            Self::RefusedByUpstream => (
                "refused-by-upstream",
                StatusCode::CONFLICT,
                "The order system refused",
                "The order system understood the request and said no; `upstreamMessage` is its own sentence. A refused write (409) was not applied. A refused read is 502, also the one before a write with a guarantee, which is not sent then. Repeating the request as it is will hardly help.",
            ),
            Self::UpstreamCredentialRejected => (
                "upstream-credential-rejected",
                StatusCode::BAD_GATEWAY,
                "The order system does not accept the gateway",
                "The order system rejects the gateway's credential or its IP address. This is for those who run the gateway: compare the configured user and the address from which the gateway connects with what the order system allows. Nothing was applied.",
            ),
            Self::UpstreamUnreachable => (
                "upstream-unreachable",
                StatusCode::BAD_GATEWAY,
                "The order system cannot be reached",
                "No connection to the order system could be made, so nothing was sent and nothing was applied. The request may be sent again.",
            ),
            Self::UpstreamAnswerInvalid => (
                "upstream-answer-invalid",
                StatusCode::BAD_GATEWAY,
                "The order system's answer was not recognised",
                "What the order system answered to a read is not an answer that it is known to give, such as an HTML page or half a document. The gateway does not guess, and a write with a guarantee is not sent when the read before it ends like this. Reads may be sent again; if it stays, those who run the gateway should ask the order system's operator.",
            ),
            Self::UpstreamUnavailable => (
                "upstream-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The order system is not available",
                "The order system says that it is out of service, or it has not answered lately and is not asked for a moment. Send the request again after the time in `Retry-After`.",
            ),
            Self::UpstreamTimeout => (
                "upstream-timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "The order system did not answer in time",
                "A read had no answer from the order system in time. It may be sent again.",
            ),
            Self::PreconditionFailed => (
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                "The order has changed",
                "The order is not as `If-Match` says: its status, or time and type of some row in its log, are not those that the tag was given for. Nothing was sent to the order system. `currentStatus` and the header `ETag` tell how it is now; decide anew.",
            ),
            Self::WriteConflict => (
                "write-conflict",
                StatusCode::CONFLICT,
                "Somebody else changed the order",
                "The write was sent and its answer told nothing; then the order had a status that is neither the one before nor the one wanted, so somebody else changed it. The gateway does not send it again, because a late write could undo a newer one. Read the order and decide anew.",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The key was used for another message",
                "This `Idempotency-Key` was used for another message, which is in the order's log or may still come there. Nothing was sent to the order system. Every message needs a key of its own.",
            ),
            Self::IdempotencyKeyInUse => (
                "idempotency-key-in-use",
                StatusCode::CONFLICT,
                "The key is in use",
                "Another request with this `Idempotency-Key` has not ended yet. Nothing was sent to the order system for this one. Send it again after the time in `Retry-After`.",
            ),
            Self::OutcomeUnknown => (
                "outcome-unknown",
                StatusCode::GATEWAY_TIMEOUT,
                "It is not known whether the write happened",
                "The write was sent to the order system, now or by an earlier request of yours or another's, and nothing proves that it was applied or that it was not. It may even be applied later; while it may, a repetition is not sent but looked for, nor is a change of the same order with `If-Match`; `not-applied` in `outcome` says that yours is another one, which was not sent. Wait for the time in `Retry-After`. A message with an `Idempotency-Key` can then be sent again with the same key; for everything else, read the order first and decide: a message that is sent twice stands in the log twice.",
            ),
            Self::InternalError => (
                "internal-error",
                StatusCode::INTERNAL_SERVER_ERROR,
                "A fault of the gateway",
                "Something went wrong in the gateway itself. Give `requestId` to those who run it; it is in their log. Where `outcome` is `unknown`, a write may have been sent: read the order, or send a message with its key again.",
            ),
        };
        CodeInfo { code, status, title, explanation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_written_once_and_found_by_its_spelling() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.info().code), Some(code));
            assert!(code.info().status.is_client_error() || code.info().status.is_server_error());
        }
    }
}

//! Problem codes: one table with status, title and explanation of each.

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

/// Everything that is published about a code.
#[derive(Debug)]
pub struct CodeInfo {
    /// The code as in JSON and URLs.
    pub code: &'static str,
    /// The default HTTP status.
    pub status: StatusCode,
    /// A short title, the same for every occurrence.
    pub title: &'static str,
    /// What happened, which side failed and what to do. Backticks enclose code.
    pub explanation: &'static str,
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

    /// Status, title and explanation.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn info(self) -> CodeInfo {
        let (code, status, title, explanation) = match self {
            Self::InvalidParameter => (
                "invalid-parameter",
                StatusCode::BAD_REQUEST,
                "Invalid parameter",
                "A path parameter, query parameter or header is missing, unknown, repeated or malformed. `errors` lists every \
                 fault. Nothing was sent to the upstream. Correct the request.",
            ),
            Self::MalformedBody => (
                "malformed-body",
                StatusCode::BAD_REQUEST,
                "Malformed JSON",
                "The body is not JSON in UTF-8, or an object has a duplicate member. Nothing was sent to the upstream. \
                 Correct the request.",
            ),
            Self::InvalidValue => (
                "invalid-value",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid value",
                "The body is JSON, but a member is missing, unknown, of the wrong type, or has a value that is not allowed. \
                 `errors` lists every fault. Nothing was sent to the upstream. Correct the request.",
            ),
            Self::OrderNotFound => (
                "order-not-found",
                StatusCode::NOT_FOUND,
                "Order not found",
                "The upstream has no order with this id that your network or company may read. Check the id.",
            ),
            Self::CustomerNotFound => (
                "customer-not-found",
                StatusCode::NOT_FOUND,
                "Customer not found",
                "The upstream has no customer with this id that your network or company may read. Check the id.",
            ),
            Self::RouteNotFound => (
                "route-not-found",
                StatusCode::NOT_FOUND,
                "Route not found",
                "The gateway has no route with this path. Paths do not end with a slash. The OpenAPI document lists all \
                 routes.",
            ),
            Self::ProblemNotFound => (
                "problem-not-found",
                StatusCode::NOT_FOUND,
                "Problem not found",
                "No problem has this code, so there is no page about it.",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "The route exists but does not support this method. The header `Allow` lists the supported methods.",
            ),
            Self::NotAcceptable => (
                "not-acceptable",
                StatusCode::NOT_ACCEPTABLE,
                "Not acceptable",
                "The header `Accept` excludes every media type that this route returns; `detail` lists them. Nothing was sent \
                 to the upstream. Accept `application/json`.",
            ),
            Self::RequestTimeout => (
                "request-timeout",
                StatusCode::REQUEST_TIMEOUT,
                "Request body timeout",
                "The request body was not complete in time. Nothing was sent to the upstream. Send the request again.",
            ),
            Self::BodyTooLarge => (
                "body-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Request body too large",
                "The request body exceeds the limit in `detail`. Nothing was sent to the upstream. Send a smaller body.",
            ),
            Self::UriTooLong => (
                "uri-too-long",
                StatusCode::URI_TOO_LONG,
                "Request target too long",
                "Path and query together exceed the limit in `detail`. Nothing was sent to the upstream. Shorten the query.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "The body must be sent as `Content-Type: application/json`, uncompressed and in UTF-8; PATCH also accepts \
                 `application/merge-patch+json`. Nothing was sent to the upstream. Correct the request.",
            ),
            Self::HeadersTooLarge => (
                "headers-too-large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request headers too large",
                "The header section exceeds the limit in `detail`, counted as name, value and 4 bytes for each header. \
                 Nothing was sent to the upstream. Send fewer or shorter headers.",
            ),
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "Missing or invalid credentials",
                "The request has no credential, or one that is unknown, invalid or expired; `detail` states which. Nothing \
                 was sent to the upstream. Send `Authorization: Bearer …` with your API key or access token; an API key may \
                 also be sent in `X-API-Key`.",
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "Insufficient permissions",
                "The credential is valid but does not permit this operation; `detail` names the missing scope. Nothing was \
                 sent to the upstream. Ask the operator of the gateway for the permission.",
            ),
            Self::AuthenticationUnavailable => (
                "authentication-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Authentication unavailable",
                "The gateway cannot fetch the signing keys of the token issuer, so it cannot verify the token. The token \
                 itself may be valid. Nothing was sent to the upstream. Wait for `Retry-After` and send the request again. If \
                 the problem persists, contact the operator of the gateway.",
            ),
            Self::TooManyRequests => (
                "too-many-requests",
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limit exceeded",
                "You exceeded the request rate that the operator of the gateway allows. Nothing was sent to the upstream. \
                 Wait for `Retry-After` and send the request again.",
            ),
            Self::Overloaded => (
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "Gateway overloaded",
                "The gateway is overloaded and could not have responded in time. Nothing was sent to the upstream. Wait for \
                 `Retry-After` and send the request again.",
            ),
            Self::RefusedByUpstream => (
                "refused-by-upstream",
                StatusCode::CONFLICT,
                "Refused by the upstream",
                "The upstream understood the request and refused it; `upstreamMessage` is its own message. A refused write \
                 (409) was not applied. A refused read is 502; when it was the preflight read of a write, the write was not \
                 sent. The same request will probably be refused again.",
            ),
            Self::UpstreamCredentialRejected => (
                "upstream-credential-rejected",
                StatusCode::BAD_GATEWAY,
                "Upstream rejects the gateway",
                "The upstream rejects the gateway's credential or IP address. Nothing was applied. The operator of the \
                 gateway has to compare the configured `api_user` and the gateway's egress IP with what the upstream allows.",
            ),
            Self::UpstreamUnreachable => (
                "upstream-unreachable",
                StatusCode::BAD_GATEWAY,
                "Upstream unreachable",
                "The gateway could not connect to the upstream. Nothing was sent and nothing was applied. The request may be \
                 sent again.",
            ),
            Self::UpstreamAnswerInvalid => (
                "upstream-answer-invalid",
                StatusCode::BAD_GATEWAY,
                "Upstream answer not recognised",
                "The upstream answered a read with something that is not a valid answer, such as an HTML page or a truncated \
                 document. When it was the preflight read of a write, the write was not sent. The request may be sent again. \
                 If the problem persists, the operator of the gateway should contact the operator of the upstream.",
            ),
            Self::UpstreamUnavailable => (
                "upstream-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Upstream unavailable",
                "The upstream reported that it is unavailable, or it failed repeatedly and the circuit breaker is open. Wait \
                 for `Retry-After` and send the request again.",
            ),
            Self::UpstreamTimeout => (
                "upstream-timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "Upstream timeout",
                "The upstream did not answer a read in time. The request may be sent again.",
            ),
            Self::PreconditionFailed => (
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                "Precondition failed",
                "The order's status, or the time or type of a log entry, has changed since the ETag in `If-Match`. Nothing \
                 was sent to the upstream. `currentStatus` and the header `ETag` describe the current state to clients with \
                 `orders:read`. Decide again and use the new ETag.",
            ),
            Self::WriteConflict => (
                "write-conflict",
                StatusCode::CONFLICT,
                "Changed by another writer",
                "The write was sent and its answer did not prove the outcome. Afterwards the order had a status that is \
                 neither the previous nor the requested one, so another writer changed it. The gateway does not send the \
                 write again, because that could undo the newer change. Read the order and decide again.",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency key reused",
                "This `Idempotency-Key` was used for another message, which is in the order's log or may still appear there. \
                 Nothing was sent to the upstream. Use a new key for each message.",
            ),
            Self::IdempotencyKeyInUse => (
                "idempotency-key-in-use",
                StatusCode::CONFLICT,
                "Idempotency key in use",
                "Another request with this `Idempotency-Key` is in progress. This request was not sent to the upstream. Wait \
                 for `Retry-After` and send it again.",
            ),
            Self::OutcomeUnknown => (
                "outcome-unknown",
                StatusCode::GATEWAY_TIMEOUT,
                "Write outcome unknown",
                "A write to this order was sent, by this request or an earlier one, and nothing proves whether it was \
                 applied; it may still take effect. `outcome` is `unknown` when that write does what this request asks for, \
                 and `not-applied` when it is a different one and this request was not sent. Wait for `Retry-After`. Then \
                 send a message with the same `Idempotency-Key` again; for every other write, read the order first and \
                 decide, because a message that is sent twice is added twice.",
            ),
            Self::InternalError => (
                "internal-error",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal error",
                "The gateway has a fault. Report `requestId` to the operator of the gateway, who finds it in the log. If \
                 `outcome` is `unknown`, a write may have been sent: read the order, or send a message with the same \
                 `Idempotency-Key` again.",
            ),
        };
        CodeInfo { code, status, title, explanation }
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

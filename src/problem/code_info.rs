//! The table of all problem codes: status, title, and what the pages and the OpenAPI document say about each.

use http::StatusCode;

use super::Code;

/// Everything that is published about a code. Backticks in texts enclose code.
#[derive(Debug)]
pub struct CodeInfo {
    /// The code as in JSON and URLs.
    pub code: &'static str,
    /// The default HTTP status.
    pub status: StatusCode,
    /// A short title, the same for every occurrence.
    pub title: &'static str,
    /// What happened and which side failed, in sentences.
    pub what_happened: &'static [&'static str],
    /// What to do, in sentences.
    pub what_to_do: &'static [&'static str],
}

impl CodeInfo {
    /// What happened and what to do, as one text.
    #[must_use]
    pub fn explanation(&self) -> String {
        [self.what_happened, self.what_to_do].concat().join(" ")
    }
}

impl Code {
    /// Status, title and explanation.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub const fn info(self) -> CodeInfo {
        let (code, status, title, what_happened, what_to_do): Row = match self {
            Self::InvalidParameter => (
                "invalid-parameter",
                StatusCode::BAD_REQUEST,
                "Invalid parameter",
                &[
                    "A path parameter, query parameter or header is missing, unknown, repeated or malformed.",
                    "`errors` lists every fault.",
                    "Nothing was sent to the upstream.",
                ],
                &["Correct the request."],
            ),
            Self::MalformedBody => (
                "malformed-body",
                StatusCode::BAD_REQUEST,
                "Malformed JSON",
                &["The body is not JSON in UTF-8, or an object has a duplicate member.", "Nothing was sent to the upstream."],
                &["Correct the request."],
            ),
            Self::InvalidValue => (
                "invalid-value",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid value",
                &[
                    "The body is JSON, but a member is missing, unknown, of the wrong type, or has a value that is not allowed.",
                    "`errors` lists every fault.",
                    "Nothing was sent to the upstream.",
                ],
                &["Correct the request."],
            ),
            Self::OrderNotFound => (
                "order-not-found",
                StatusCode::NOT_FOUND,
                "Order not found",
                &["The upstream has no order with this id that your network or company may read."],
                &["Check the id."],
            ),
            Self::CustomerNotFound => (
                "customer-not-found",
                StatusCode::NOT_FOUND,
                "Customer not found",
                &["The upstream has no customer with this id that your network or company may read."],
                &["Check the id."],
            ),
            Self::RouteNotFound => (
                "route-not-found",
                StatusCode::NOT_FOUND,
                "Route not found",
                &["The gateway has no route with this path.", "Paths do not end with a slash."],
                &["Compare the path with the OpenAPI document, which lists all routes."],
            ),
            Self::ProblemNotFound => (
                "problem-not-found",
                StatusCode::NOT_FOUND,
                "Problem not found",
                &["No problem has this code, so there is no page about it."],
                &["See the list of all problems at `/problems/`."],
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                &["The route exists but does not support this method."],
                &["Use one of the methods that the header `Allow` lists."],
            ),
            Self::NotAcceptable => (
                "not-acceptable",
                StatusCode::NOT_ACCEPTABLE,
                "Not acceptable",
                &[
                    "The header `Accept` excludes every media type that this route returns; `detail` lists them.",
                    "Nothing was sent to the upstream.",
                ],
                &["Accept `application/json`."],
            ),
            Self::RequestTimeout => (
                "request-timeout",
                StatusCode::REQUEST_TIMEOUT,
                "Request body timeout",
                &["The request body was not complete in time.", "Nothing was sent to the upstream."],
                &["Send the request again."],
            ),
            Self::BodyTooLarge => (
                "body-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Request body too large",
                &["The request body exceeds the limit in `detail`.", "Nothing was sent to the upstream."],
                &["Send a smaller body."],
            ),
            Self::UriTooLong => (
                "uri-too-long",
                StatusCode::URI_TOO_LONG,
                "Request target too long",
                &["Path and query together exceed the limit in `detail`.", "Nothing was sent to the upstream."],
                &["Shorten the query."],
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                &[
                    "The body has another media type than `application/json`, or is compressed or not UTF-8.",
                    "Nothing was sent to the upstream.",
                ],
                &[
                    "Send the body as `Content-Type: application/json`, uncompressed and in UTF-8; PATCH also accepts `application/merge-patch+json`.",
                ],
            ),
            Self::HeadersTooLarge => (
                "headers-too-large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request headers too large",
                &[
                    "The header section exceeds the limit in `detail`, counted as name, value and 4 bytes for each header.",
                    "Nothing was sent to the upstream.",
                ],
                &["Send fewer or shorter headers."],
            ),
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "Missing or invalid credentials",
                &[
                    "The request has no credential, or one that is unknown, invalid or expired; `detail` states which.",
                    "Nothing was sent to the upstream.",
                ],
                &[
                    "Send `Authorization: Bearer …` with your API key or access token.",
                    "An API key may also be sent in `X-API-Key`.",
                ],
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "Insufficient permissions",
                &[
                    "The credential is valid but does not permit this operation; `detail` names the missing scope.",
                    "Nothing was sent to the upstream.",
                ],
                &["Ask the operator of the gateway for the permission."],
            ),
            Self::AuthenticationUnavailable => (
                "authentication-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Authentication unavailable",
                &[
                    "The gateway cannot fetch the signing keys of the token issuer, so it cannot verify the token.",
                    "The token itself may be valid.",
                    "Nothing was sent to the upstream.",
                ],
                &[
                    "Wait for `Retry-After` and send the request again.",
                    "If the problem persists, contact the operator of the gateway.",
                ],
            ),
            Self::TooManyRequests => (
                "too-many-requests",
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limit exceeded",
                &[
                    "You exceeded the request rate that the operator of the gateway allows.",
                    "Nothing was sent to the upstream.",
                ],
                &["Wait for `Retry-After` and send the request again."],
            ),
            Self::Overloaded => (
                "overloaded",
                StatusCode::SERVICE_UNAVAILABLE,
                "Gateway overloaded",
                &["The gateway is overloaded and could not have responded in time.", "Nothing was sent to the upstream."],
                &["Wait for `Retry-After` and send the request again."],
            ),
            Self::RefusedByUpstream => (
                "refused-by-upstream",
                StatusCode::CONFLICT,
                "Refused by the upstream",
                &[
                    "The upstream understood the request and refused it; `upstreamMessage` is its own message.",
                    "A refused write (409) was not applied.",
                    "A refused read is 502; when it was the preflight read of a write, the write was not sent.",
                ],
                &["Read `upstreamMessage` and correct the request: the same one will probably be refused again."],
            ),
            Self::UpstreamCredentialRejected => (
                "upstream-credential-rejected",
                StatusCode::BAD_GATEWAY,
                "Upstream rejects the gateway",
                &["The upstream rejects the gateway's credential or IP address.", "Nothing was applied."],
                &[
                    "Contact the operator of the gateway, who has to compare the configured `api_user` and the gateway's egress IP with what the upstream allows.",
                ],
            ),
            Self::UpstreamUnreachable => (
                "upstream-unreachable",
                StatusCode::BAD_GATEWAY,
                "Upstream unreachable",
                &["The gateway could not connect to the upstream.", "Nothing was sent and nothing was applied."],
                &["Send the request again after a pause."],
            ),
            Self::UpstreamAnswerInvalid => (
                "upstream-answer-invalid",
                StatusCode::BAD_GATEWAY,
                "Upstream answer not recognised",
                &[
                    "The upstream answered a read with something that is not a valid answer, such as an HTML page or a truncated document.",
                    "When it was the preflight read of a write, the write was not sent.",
                ],
                &[
                    "Send the request again.",
                    "If the problem persists, contact the operator of the gateway, who should contact the operator of the upstream.",
                ],
            ),
            Self::UpstreamUnavailable => (
                "upstream-unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Upstream unavailable",
                &["The upstream reported that it is unavailable, or it failed repeatedly and the circuit breaker is open."],
                &["Wait for `Retry-After` and send the request again."],
            ),
            Self::UpstreamTimeout => (
                "upstream-timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "Upstream timeout",
                &["The upstream did not answer a read in time."],
                &["Send the request again."],
            ),
            Self::PreconditionFailed => (
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                "Precondition failed",
                &[
                    "The order's status, or the time or type of a log entry, has changed since the ETag in `If-Match`.",
                    "Nothing was sent to the upstream.",
                    "`currentStatus` and the header `ETag` describe the current state to clients with `orders:read`.",
                ],
                &["Decide again from `currentStatus`.", "If the change is still wanted, send it with the new ETag."],
            ),
            Self::WriteConflict => (
                "write-conflict",
                StatusCode::CONFLICT,
                "Changed by another writer",
                &[
                    "The write was sent and its answer did not prove the outcome.",
                    "Afterwards the order had a status that is neither the previous nor the requested one, so another writer changed it.",
                    "The gateway does not send the write again, because that could undo the newer change.",
                ],
                &["Read the order and decide again."],
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency key reused",
                &[
                    "This `Idempotency-Key` was used for another message, which is in the order's log or may still appear there.",
                    "Nothing was sent to the upstream.",
                ],
                &["Use a new key for each message."],
            ),
            Self::IdempotencyKeyInUse => (
                "idempotency-key-in-use",
                StatusCode::CONFLICT,
                "Idempotency key in use",
                &["Another request with this `Idempotency-Key` is in progress.", "This request was not sent to the upstream."],
                &["Wait for `Retry-After` and send it again."],
            ),
            Self::OutcomeUnknown => (
                "outcome-unknown",
                StatusCode::GATEWAY_TIMEOUT,
                "Write outcome unknown",
                &[
                    "A write to this order was sent, by this request or an earlier one, and nothing proves whether it was applied; it may still take effect.",
                    "`outcome` is `unknown` when that write does what this request asks for, and `not-applied` when it is a different one and this request was not sent.",
                ],
                &[
                    "Wait for `Retry-After`.",
                    "Send a message with an `Idempotency-Key` again, with the same key.",
                    "For every other write, read the order first and decide: a message that is sent twice is added twice.",
                ],
            ),
            Self::InternalError => (
                "internal-error",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal error",
                &["The gateway has a fault.", "If `outcome` is `unknown`, a write may have been sent."],
                &[
                    "Report `requestId` to the operator of the gateway, who finds it in the log.",
                    "After a write, read the order, or send a message with the same `Idempotency-Key` again.",
                ],
            ),
        };
        CodeInfo { code, status, title, what_happened, what_to_do }
    }
}

type Row = (&'static str, StatusCode, &'static str, &'static [&'static str], &'static [&'static str]);

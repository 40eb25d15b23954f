//! Which problems an operation can end in, for the OpenAPI document.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::json;
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::{Code, MEDIA_TYPE};

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($status:ident => [$($code:ident),+]),+;)+) => {$(
        $(#[$doc])*
        pub(in crate::rest) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(response(StatusCode::$status, &[$(Code::$code),+])),+])
            }
        }
    )+};
}

problems! {
    /// What every operation of the API can answer.
    RequestProblems:
        BAD_REQUEST => [InvalidParameter],
        NOT_ACCEPTABLE => [NotAcceptable],
        URI_TOO_LONG => [UriTooLong],
        REQUEST_HEADER_FIELDS_TOO_LARGE => [HeadersTooLarge],
        INTERNAL_SERVER_ERROR => [InternalError];
    /// What an operation with a body can answer besides; its 400 has two codes.
    BodyProblems:
        BAD_REQUEST => [InvalidParameter, MalformedBody],
        NOT_ACCEPTABLE => [NotAcceptable],
        REQUEST_TIMEOUT => [RequestTimeout],
        PAYLOAD_TOO_LARGE => [BodyTooLarge],
        URI_TOO_LONG => [UriTooLong],
        UNSUPPORTED_MEDIA_TYPE => [UnsupportedMediaType],
        UNPROCESSABLE_ENTITY => [InvalidValue],
        REQUEST_HEADER_FIELDS_TOO_LARGE => [HeadersTooLarge],
        INTERNAL_SERVER_ERROR => [InternalError];
    /// What a read of the order system can end in.
    ReadProblems:
        BAD_GATEWAY => [UpstreamAnswerInvalid, UpstreamUnreachable, UpstreamCredentialRejected, RefusedByUpstream],
        SERVICE_UNAVAILABLE => [UpstreamUnavailable],
        GATEWAY_TIMEOUT => [UpstreamTimeout];
    /// What a write to the order system can end in.
    WriteProblems:
        CONFLICT => [RefusedByUpstream],
        BAD_GATEWAY => [UpstreamUnreachable, UpstreamCredentialRejected],
        GATEWAY_TIMEOUT => [OutcomeUnknown];
    /// For routes of one order.
    OrderNotFound:
        NOT_FOUND => [OrderNotFound];
    /// For routes of one customer.
    CustomerNotFound:
        NOT_FOUND => [CustomerNotFound];
}

/// One status with its codes, each with an example.
fn response(status: StatusCode, codes: &[Code]) -> (String, RefOr<Response>) {
    let description: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.row().code, code.row().explanation)).collect();
    let examples = codes.iter().map(|code| {
        let row = code.row();
        let example = json!({
            "type": format!("/problems/{}", row.code),
            "title": row.title,
            "status": status.as_u16(),
            "detail": row.title,
            "instance": "/orders",
            "code": row.code,
            "requestId": "6f9b6c1e-2f5e-4d0c-9a31-3c2f3e6d8f10",
        });
        (row.code, ExampleBuilder::new().summary(row.title).value(Some(example)).build())
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).examples_from_iter(examples).build();
    let response = ResponseBuilder::new().description(description.join("\n\n")).content(MEDIA_TYPE, content).build();
    (status.as_str().to_owned(), response.into())
}

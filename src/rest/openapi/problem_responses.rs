//! The problems of each operation, for the OpenAPI document.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::model::InvalidId;
use crate::problem::{Code, CodeInfo, MEDIA_TYPE};

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
    /// Of every operation.
    RequestProblems:
        BAD_REQUEST => [InvalidParameter],
        NOT_ACCEPTABLE => [NotAcceptable],
        URI_TOO_LONG => [UriTooLong],
        TOO_MANY_REQUESTS => [TooManyRequests],
        REQUEST_HEADER_FIELDS_TOO_LARGE => [HeadersTooLarge],
        INTERNAL_SERVER_ERROR => [InternalError];
    /// Of every operation that requires a scope.
    AccessProblems:
        UNAUTHORIZED => [Unauthenticated],
        FORBIDDEN => [Forbidden];
    /// Of an operation that requires a credential and no scope, and sends nothing to the upstream.
    AuthenticationProblems:
        UNAUTHORIZED => [Unauthenticated],
        SERVICE_UNAVAILABLE => [AuthenticationUnavailable];
    /// Of an operation with a body, in place of [`RequestProblems`]: its 400 has two codes.
    BodyProblems:
        BAD_REQUEST => [InvalidParameter, MalformedBody],
        NOT_ACCEPTABLE => [NotAcceptable],
        REQUEST_TIMEOUT => [RequestTimeout],
        PAYLOAD_TOO_LARGE => [BodyTooLarge],
        URI_TOO_LONG => [UriTooLong],
        UNSUPPORTED_MEDIA_TYPE => [UnsupportedMediaType],
        UNPROCESSABLE_ENTITY => [InvalidValue],
        TOO_MANY_REQUESTS => [TooManyRequests],
        REQUEST_HEADER_FIELDS_TOO_LARGE => [HeadersTooLarge],
        INTERNAL_SERVER_ERROR => [InternalError];
    /// Of a read.
    ReadProblems:
        BAD_GATEWAY => [UpstreamAnswerInvalid, UpstreamUnreachable, UpstreamCredentialRejected, RefusedByUpstream],
        SERVICE_UNAVAILABLE => [UpstreamUnavailable, Overloaded, AuthenticationUnavailable],
        GATEWAY_TIMEOUT => [UpstreamTimeout];
    /// Of a write, including its preflight read.
    WriteProblems:
        BAD_GATEWAY => [UpstreamUnreachable, UpstreamCredentialRejected, UpstreamAnswerInvalid, RefusedByUpstream],
        SERVICE_UNAVAILABLE => [UpstreamUnavailable, Overloaded, AuthenticationUnavailable],
        GATEWAY_TIMEOUT => [OutcomeUnknown, UpstreamTimeout];
    /// Of a change of status, in addition: its 409 has two codes.
    StatusProblems:
        CONFLICT => [RefusedByUpstream, WriteConflict],
        PRECONDITION_FAILED => [PreconditionFailed];
    /// Of a new message, in addition: its 409 and its 422 have two codes.
    MessageProblems:
        CONFLICT => [RefusedByUpstream, IdempotencyKeyInUse],
        UNPROCESSABLE_ENTITY => [InvalidValue, IdempotencyKeyReused];
    /// Of a route of one order.
    OrderNotFound:
        NOT_FOUND => [OrderNotFound];
    /// Of a route of one customer.
    CustomerNotFound:
        NOT_FOUND => [CustomerNotFound];
}

/// The response of one status with all its codes, each with an example.
fn response(status: StatusCode, codes: &[Code]) -> (String, RefOr<Response>) {
    let description: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}", code.info().code, code.info().explanation())).collect();
    // No examples of self-explanatory problems of every route: they would hide the specific ones.
    let is_general = |code: &Code| {
        matches!(
            code,
            Code::NotAcceptable | Code::UriTooLong | Code::TooManyRequests | Code::HeadersTooLarge | Code::InternalError
        )
    };
    let examples = codes.iter().filter(|code| !is_general(code)).map(|code| {
        let example = ExampleBuilder::new().summary(code.info().title).value(Some(example(status, *code)));
        (code.info().code, example.build())
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).examples_from_iter(examples).build();
    let mut response = ResponseBuilder::new().description(description.join("\n\n")).content(MEDIA_TYPE, content);
    if codes.iter().any(|code| {
        matches!(
            code,
            Code::UpstreamUnavailable
                | Code::Overloaded
                | Code::AuthenticationUnavailable
                | Code::TooManyRequests
                | Code::OutcomeUnknown
                | Code::IdempotencyKeyInUse
        )
    }) {
        let seconds = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))));
        response = response
            .header("Retry-After", seconds.description(Some("Seconds to wait before the request is sent again.")).build());
    }
    (status.as_str().to_owned(), response.build().into())
}

fn example(status: StatusCode, code: Code) -> Value {
    let CodeInfo { code: name, title, .. } = code.info();
    let mut example = json!({
        "type": format!("/problems/{name}"),
        "title": title,
        "status": status.as_u16(),
        "detail": title,
        "instance": "/orders/20417/status",
        "code": name,
        "requestId": "6f9b6c1e-2f5e-4d0c-9a31-3c2f3e6d8f10",
    });
    let mut add = |member: &str, value: Value| {
        if let Some(members) = example.as_object_mut() {
            members.insert(member.to_owned(), value);
        }
    };
    match code {
        Code::InvalidParameter => add("errors", json!([{ "parameter": "id", "detail": InvalidId.to_string() }])),
        Code::InvalidValue => add("errors", json!([{ "pointer": "/status", "detail": "is missing" }])),
        Code::RefusedByUpstream => add("upstreamMessage", json!("Ordern kan inte ändras")),
        Code::OutcomeUnknown => add("outcome", json!("unknown")),
        _ => {}
    }
    if matches!(code, Code::PreconditionFailed | Code::WriteConflict) {
        add("currentStatus", json!("active"));
    }
    if code == Code::WriteConflict {
        add("outcome", json!("unknown"));
    } else if status == StatusCode::CONFLICT || matches!(code, Code::PreconditionFailed | Code::IdempotencyKeyReused) {
        add("outcome", json!("not-applied"));
    }
    example
}

//! The problem responses of the operations: which codes each can give, and with which status.
//!
//! A response that is the same for all its operations is a component. Another belongs to one operation, and its examples are of
//! that operation.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;
use utoipa::IntoResponses;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder};

use crate::model::Scope;
use crate::problem::Code;

/// A response that is a component.
pub(super) struct Shared {
    pub(super) name: &'static str,
    /// `4XX` and `5XX` stand for the rare statuses that an operation does not list.
    pub(super) status: &'static str,
    pub(super) codes: &'static [Code],
    /// The operation that its examples are of.
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) scope: Option<Scope>,
}

impl Shared {
    const fn of_reads(name: &'static str, status: &'static str, codes: &'static [Code]) -> Self {
        Self { name, status, codes, method: Method::GET, path: "/orders/{id}", scope: None }
    }

    const fn of_writes(name: &'static str, status: &'static str, codes: &'static [Code]) -> Self {
        Self { name, status, codes, method: Method::PATCH, path: "/orders/{id}/status", scope: None }
    }

    const fn without_scope(name: &'static str, scope: Scope, path: &'static str) -> Self {
        Self { name, status: "403", codes: &[Code::Forbidden], method: Method::GET, path, scope: Some(scope) }
    }
}

macro_rules! shared {
    ($($constant:ident = $shared:expr;)+) => {
        $(static $constant: Shared = $shared;)+

        /// Every shared response.
        pub(super) static SHARED: &[&Shared] = &[$(&$constant),+];
    };
}

shared! {
    UNAUTHENTICATED = Shared::of_reads("Unauthenticated", "401", &[Code::Unauthenticated]);
    FORBIDDEN_ORDERS = Shared::without_scope("RequiresOrdersRead", Scope::OrdersRead, "/orders/{id}");
    FORBIDDEN_CHANGES = Shared::without_scope("RequiresOrdersWrite", Scope::OrdersWrite, "/orders/{id}/status");
    FORBIDDEN_CUSTOMERS = Shared::without_scope("RequiresCustomersRead", Scope::CustomersRead, "/customers/{id}");
    TOO_MANY_REQUESTS = Shared::of_reads("TooManyRequests", "429", &[Code::TooManyRequests]);
    REQUEST_REJECTED = Shared::of_reads(
        "RequestRejected",
        "4XX",
        &[Code::NotAcceptable, Code::UriTooLong, Code::HeadersTooLarge],
    );
    BODY_REJECTED = Shared {
        name: "BodyRejected",
        status: "4XX",
        codes: &[
            Code::NotAcceptable,
            Code::RequestTimeout,
            Code::BodyTooLarge,
            Code::UriTooLong,
            Code::UnsupportedMediaType,
            Code::HeadersTooLarge,
        ],
        // PATCH accepts, and names in its 415, a media type more, which the document does not list.
        method: Method::POST,
        path: "/orders/{id}/messages",
        scope: None,
    };
    INTERNAL_ERROR = Shared::of_reads("InternalError", "5XX", &[Code::InternalError]);
    READ_FAILED = Shared::of_reads("ReadFailed", "502", FAILED);
    READ_UNAVAILABLE = Shared::of_reads("ReadUnavailable", "503", UNAVAILABLE);
    READ_TIMEOUT = Shared::of_reads("ReadTimeout", "504", &[Code::UpstreamTimeout]);
    WRITE_FAILED = Shared::of_writes("WriteFailed", "502", FAILED);
    WRITE_UNAVAILABLE = Shared::of_writes("WriteUnavailable", "503", UNAVAILABLE);
    WRITE_UNSETTLED = Shared::of_writes("WriteUnsettled", "504", &[Code::OutcomeUnknown, Code::UpstreamTimeout]);
}

/// Of a read, and of the preflight read of a write.
const FAILED: &[Code] =
    &[Code::UpstreamUnreachable, Code::UpstreamCredentialRejected, Code::UpstreamAnswerInvalid, Code::RefusedByUpstream];
const UNAVAILABLE: &[Code] = &[Code::UpstreamUnavailable, Code::Overloaded, Code::AuthenticationUnavailable];

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: [$($shared:ident),*], {$($status:literal => [$($code:ident),+]),*};)+) => {$(
        $(#[$doc])*
        pub(in crate::rest) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(reference(&$shared),)* $(placeholder($status, &[$(Code::$code),+])),*])
            }
        }
    )+};
}

problems! {
    /// Of every operation without a body.
    RequestProblems: [TOO_MANY_REQUESTS, REQUEST_REJECTED, INTERNAL_ERROR], {"400" => [InvalidParameter]};
    /// Of every operation with a body.
    BodyProblems: [TOO_MANY_REQUESTS, BODY_REJECTED, INTERNAL_ERROR], {
        "400" => [InvalidParameter, MalformedBody],
        "422" => [InvalidValue]
    };
    /// Of an operation that requires no scope and sends nothing to the upstream.
    AuthenticationProblems: [UNAUTHENTICATED], {"403" => [Forbidden], "503" => [AuthenticationUnavailable]};
    /// Of a read.
    ReadProblems: [READ_FAILED, READ_UNAVAILABLE, READ_TIMEOUT], {};
    /// Of a write, including its preflight read.
    WriteProblems: [WRITE_FAILED, WRITE_UNAVAILABLE, WRITE_UNSETTLED], {};
    /// Of a change of status, in addition.
    StatusProblems: [], {"409" => [RefusedByUpstream, WriteConflict], "412" => [PreconditionFailed]};
    /// Of a new message, in addition: its 422 has two codes.
    MessageProblems: [], {
        "409" => [RefusedByUpstream, IdempotencyKeyInUse],
        "422" => [InvalidValue, IdempotencyKeyReused]
    };
    /// Of a route of one order.
    OrderNotFound: [], {"404" => [OrderNotFound]};
    /// Of a route of one customer.
    CustomerNotFound: [], {"404" => [CustomerNotFound]};
}

/// Of an operation that requires this scope.
pub(in crate::rest) fn access(scope: Scope) -> impl Iterator<Item = (String, RefOr<Response>)> {
    let forbidden = SHARED.iter().copied().find(move |shared| shared.scope == Some(scope));
    [Some(&UNAUTHENTICATED), forbidden].into_iter().flatten().map(reference)
}

/// Holds the codes of a response until its operation is known.
const CODES: &str = "x-codes";

fn reference(shared: &Shared) -> (String, RefOr<Response>) {
    (shared.status.to_owned(), Ref::from_response_name(shared.name).into())
}

fn placeholder(status: &str, codes: &[Code]) -> (String, RefOr<Response>) {
    let codes: Value = codes.iter().map(|code| code.info().code).collect();
    let response = ResponseBuilder::new().extensions(Some(Extensions::builder().add(CODES, codes).build()));
    (status.to_owned(), response.into())
}

/// The codes of a response that [`placeholder`] made.
pub(super) fn codes_of(response: &RefOr<Response>) -> Option<Vec<Code>> {
    let RefOr::T(Response { extensions: Some(extensions), .. }) = response else { return None };
    let codes = extensions.get(CODES)?.as_array()?;
    Some(codes.iter().filter_map(|code| Code::parse(code.as_str()?)).collect())
}

//! Examples of problems. They are made by the code that makes the responses, where that is part of this module.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::auth::Principal;
use crate::backend::Error;
use crate::model::{Extensible, Order, OrderId, OrderStatus, PiiAccess, Scope, UpstreamMessage};
use crate::problem::{Code, FieldError, Problem, ProblemContext};
use crate::rest::dto::{MessageInput, StatusInput};
use crate::rest::extract::JsonObject;
use crate::rest::require_scope::forbidden;
use crate::writes::WriteFailure;

/// As a client may choose it.
const REQUEST_ID: &str = "import-42";
/// How long a write stays in doubt with the default settings, about.
const SETTLE_TIME: Duration = Duration::from_secs(35);

/// The operation that a problem is an example of.
pub(super) struct Subject<'a> {
    /// The base path of the gateway; `/` if it has none, or does not know it.
    pub(super) base_path: &'a str,
    pub(super) method: Method,
    /// Template of the path, without the base path.
    pub(super) path: &'a str,
    /// The scope that it requires.
    pub(super) scope: Option<Scope>,
}

/// The body of a problem of this operation.
#[expect(clippy::expect_used, reason = "an empty example would hide the fault")]
pub(super) fn example(code: Code, status: &str, subject: &Subject<'_>) -> Value {
    let base_path = subject.base_path.into();
    let context = ProblemContext { base_path, instance: subject.instance(), request_id: REQUEST_ID.into() };
    serde_json::to_value(subject.problem(code, status).details(&context)).expect("strings, numbers and arrays are JSON")
}

impl Subject<'_> {
    fn instance(&self) -> String {
        let id = if self.path.starts_with("/customers") { "18020" } else { "20417" };
        format!("{}{}", self.base_path.trim_end_matches('/'), self.path.replace("{id}", id))
    }

    fn problem(&self, code: Code, status: &str) -> Problem {
        match code {
            Code::InvalidParameter => Problem::parameters(vec![self.invalid_parameter()]),
            Code::MalformedBody | Code::InvalidValue => self.invalid_body(code),
            Code::Forbidden => self.forbidden(),
            Code::OrderNotFound | Code::CustomerNotFound => self.failed(Error::NotFound, code),
            Code::UpstreamUnreachable => self.failed(Error::Unreachable, code),
            Code::UpstreamCredentialRejected => self.failed(Error::CredentialRejected, code),
            Code::UpstreamAnswerInvalid => {
                self.failed(Error::InvalidResponse { reason: "the connection was lost before it was complete" }, code)
            }
            Code::UpstreamUnavailable => self.failed(Error::Unavailable { retry_after: None }, code),
            Code::UpstreamTimeout => self.failed(Error::Timeout, code),
            Code::Overloaded => self.failed(Error::Overloaded, code),
            Code::RefusedByUpstream if status == "409" => write_failed(&Error::Refused { message: Some(message()) }.into()),
            Code::RefusedByUpstream => self.failed(Error::Refused { message: Some(message()) }, code),
            Code::OutcomeUnknown => write_failed(&Error::OutcomeUnknown { retry_after: SETTLE_TIME }.into()),
            Code::PreconditionFailed => write_failed(&WriteFailure::PreconditionFailed(changed_order().into())),
            Code::WriteConflict => write_failed(&WriteFailure::Conflict(changed_order().into())),
            Code::IdempotencyKeyReused => write_failed(&WriteFailure::KeyReused),
            Code::IdempotencyKeyInUse => write_failed(&WriteFailure::KeyInUse),
            code => Problem::new(code, detail(code)),
        }
    }

    /// A fault in the query: the path of the example is a valid one.
    fn invalid_parameter(&self) -> FieldError {
        if matches!(self.path, "/orders" | "/customers") {
            FieldError::parameter("since", "is missing")
        } else {
            FieldError::parameter("verbose", "unknown parameter")
        }
    }

    /// What the gateway says of a body with a fault.
    fn invalid_body(&self, code: Code) -> Problem {
        let is_message = self.path.ends_with("/messages");
        let body = match (code, is_message) {
            (Code::MalformedBody, true) => r#"{"type": "alert", "text": "Kunden nås bäst"#,
            (Code::MalformedBody, false) => r#"{"status": "received""#,
            (_, true) => r#"{"type": "alert", "text": " "}"#,
            (_, false) => r#"{"status": "done"}"#,
        };
        let parsed = JsonObject::parse(body.as_bytes())
            .and_then(|body| if is_message { MessageInput::parse(body).map(drop) } else { StatusInput::parse(body).map(drop) });
        parsed.err().unwrap_or_else(|| Problem::new(code, code.info().title))
    }

    fn forbidden(&self) -> Problem {
        let unbound = "The token names an upstream that this gateway does not have.";
        self.scope.map_or_else(|| Problem::new(Code::Forbidden, unbound), forbidden)
    }

    /// A failed read, which may be the preflight read of a write.
    fn failed(&self, error: Error, not_found: Code) -> Problem {
        match self.method {
            Method::GET => Problem::from_read_error(&error, not_found, PiiAccess::Full),
            _ => write_failed(&Error::NotSent { cause: Box::new(error) }.into()),
        }
    }
}

fn write_failed(failure: &WriteFailure) -> Problem {
    Problem::from_write_failure(failure, &Principal::anonymous("default"))
}

fn message() -> UpstreamMessage {
    UpstreamMessage::new("Ordern kan inte ändras")
}

/// An order that another writer changed.
#[expect(clippy::expect_used, reason = "this number is an id")]
fn changed_order() -> Order {
    let id = OrderId::try_new(20417).expect("between 1 and 2⁵³ − 1");
    Order { status: Some(Extensible::Known(OrderStatus::Active)), ..Order::new(id) }
}

/// What the middleware and the extractors say.
fn detail(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "The request has no credentials.",
        Code::AuthenticationUnavailable => "The keys of the token issuer are unavailable, so the token cannot be verified.",
        Code::TooManyRequests => "Too many requests from this client.",
        Code::NotAcceptable => "This route returns application/json, which Accept excludes.",
        Code::RequestTimeout => "The request body was not complete in time.",
        Code::BodyTooLarge => "The body exceeds 65536 bytes.",
        Code::UriTooLong => "The request target is longer than 8192 bytes.",
        Code::UnsupportedMediaType => "The body must be sent as Content-Type: application/json, in UTF-8 and uncompressed.",
        Code::HeadersTooLarge => "The header section is larger than 32768 bytes.",
        Code::InternalError => "An unexpected error occurred in the gateway.",
        code => code.info().title,
    }
}

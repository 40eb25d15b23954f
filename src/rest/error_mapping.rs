//! Maps errors of reads and writes to problems.
//!
//! [`describe`] has one problem per error. Reads and writes then differ: a read never reports an outcome, and it is not the
//! client's fault when the upstream refuses it; a write always reports whether it was applied.

use std::time::Duration;

use http::StatusCode;

use super::etag;
use crate::auth::Principal;
use crate::backend::Error;
use crate::model::{Order, PiiAccess, Scope, UpstreamMessage, mask_personal_data};
use crate::problem::{Code, FieldError, Outcome, Problem};
use crate::writes::WriteFailure;

/// `Retry-After` when the upstream is unavailable and does not state a time.
const RETRY_WHEN_UNAVAILABLE: Duration = Duration::from_secs(5);
/// `Retry-After` when the gateway is overloaded or an idempotency key is in use.
const RETRY_WHEN_OVERLOADED: Duration = Duration::from_secs(1);

impl Problem {
    /// The problem of a failed read of one order or customer. `not_found` is the code for [`Error::NotFound`].
    ///
    /// The upstream may name people in its message, and after a read nothing is known of them that could be redacted: only
    /// principals that may read PII get the message.
    #[must_use]
    pub fn from_read_error(error: &Error, not_found: Code, pii_access: PiiAccess) -> Self {
        match error {
            // The parameters of a read were validated, so an unencodable one is a fault of the gateway.
            Error::UnencodableInput { .. } => {
                Self::new(Code::InternalError, "The gateway cannot encode the request for the upstream.")
            }
            // 409 would ask the client to resolve a conflict; a read has none.
            Error::Refused { message } => {
                let message = message.as_ref().filter(|_| pii_access == PiiAccess::Full);
                refused(message).with_status(StatusCode::BAD_GATEWAY)
            }
            error => describe(error, not_found, pii_access),
        }
    }

    /// The problem of a failed read of a list. A list exists even when it is empty, so "not found" is an invalid answer.
    #[must_use]
    pub fn from_list_error(error: &Error, pii_access: PiiAccess) -> Self {
        Self::from_read_error(error, Code::UpstreamAnswerInvalid, pii_access)
    }

    /// The problem of an answer, a page or a body for which the memory does not suffice at present.
    pub(super) fn memory_exhausted() -> Self {
        let detail = "The gateway holds too many large answers at present; this one was not read to its end or not returned.";
        Self::new(Code::Overloaded, detail).retry_after(RETRY_WHEN_OVERLOADED)
    }

    /// The problem of a failed write. Only principals that may read the order learn its present state. That includes the
    /// ETag after a failed precondition: it is a hash of few possible states, and sending it back would be a blind overwrite.
    #[must_use]
    pub fn from_write_failure(failure: &WriteFailure, principal: &Principal) -> Self {
        let may_read = principal.scopes().has(Scope::OrdersRead);
        match failure {
            WriteFailure::Failed(error) => from_write_error(error, principal.scopes().pii_access()),
            WriteFailure::PreconditionFailed(order) => {
                let detail = "The order's status or log has changed since the ETag in If-Match. Nothing was sent.";
                let problem = Self::new(Code::PreconditionFailed, detail).with_outcome(Outcome::NotApplied);
                if !may_read {
                    return problem;
                }
                let etag = etag::of_status(principal.upstream(), order);
                problem.with_typed_header(etag).with_current_status(displayed_status(order))
            }
            WriteFailure::Conflict(order) => {
                let detail = "The write was sent. Afterwards the order had a status that another writer set.";
                Self::new(Code::WriteConflict, detail)
                    .with_outcome(Outcome::Unknown)
                    .with_current_status(displayed_status(order).filter(|_| may_read))
            }
            WriteFailure::InDoubt { time_left, is_same } => {
                let detail = "An earlier write to this order is in doubt: it may still take effect. This one was not sent.";
                // When the earlier write is the same one, its effect is the effect this request asks for.
                let outcome = if *is_same { Outcome::Unknown } else { Outcome::NotApplied };
                Self::new(Code::OutcomeUnknown, detail).with_outcome(outcome).retry_after(*time_left)
            }
            WriteFailure::Panicked => {
                let detail = "The gateway failed while it processed the write, which may have been sent.";
                Self::new(Code::InternalError, detail).with_outcome(Outcome::Unknown)
            }
            WriteFailure::KeyReused => {
                let detail = "The idempotency key was used for another message. Nothing was sent.";
                Self::new(Code::IdempotencyKeyReused, detail).with_outcome(Outcome::NotApplied)
            }
            WriteFailure::KeyInUse => {
                let detail = "Another request with this idempotency key is in progress. Nothing was sent.";
                Self::new(Code::IdempotencyKeyInUse, detail)
                    .with_outcome(Outcome::NotApplied)
                    .retry_after(RETRY_WHEN_OVERLOADED)
            }
        }
    }
}

fn from_write_error(error: &Error, pii_access: PiiAccess) -> Problem {
    let problem = describe(error, Code::OrderNotFound, pii_access);
    match error {
        Error::NotSent { .. }
        | Error::NotFound
        | Error::Refused { .. }
        | Error::CredentialRejected
        | Error::Overloaded
        | Error::NoResources
        | Error::ClientDisconnected
        | Error::Unreachable => problem.with_outcome(Outcome::NotApplied),
        // A validation error, as any other 422: it has no outcome.
        Error::UnencodableInput { .. } => problem,
        Error::OutcomeUnknown { .. }
        | Error::Contradicted { .. }
        | Error::Unavailable { .. }
        | Error::Timeout
        | Error::InvalidResponse { .. }
        | Error::BuffersFull => problem.with_outcome(Outcome::Unknown),
    }
}

/// The problem of an error, whatever the call was.
fn describe(error: &Error, not_found: Code, pii_access: PiiAccess) -> Problem {
    match error {
        // The call that failed is the read or login that had to come first.
        Error::NotSent { cause } => Problem::from_read_error(cause, not_found, pii_access),
        Error::NotFound => Problem::new(not_found, "The upstream has no entity with this id."),
        Error::Refused { message } => refused(message.as_ref()),
        Error::CredentialRejected => Problem::new(
            Code::UpstreamCredentialRejected,
            "The upstream rejected the gateway's credential or IP address. Nothing was applied.",
        ),
        Error::UnencodableInput { detail } => Problem::values(vec![FieldError::pointer("/text", detail.clone())]),
        Error::Unreachable => {
            Problem::new(Code::UpstreamUnreachable, "The gateway could not connect to the upstream. Nothing was sent.")
        }
        Error::NoResources => {
            let detail = "The gateway has no file descriptor, port or memory left for a connection. Nothing was sent.";
            Problem::new(Code::Overloaded, detail).retry_after(RETRY_WHEN_OVERLOADED)
        }
        Error::Overloaded | Error::ClientDisconnected => {
            let detail = "Too many calls are waiting for the upstream. Nothing was sent.";
            Problem::new(Code::Overloaded, detail).retry_after(RETRY_WHEN_OVERLOADED)
        }
        Error::BuffersFull => Problem::memory_exhausted(),
        Error::Unavailable { retry_after } => {
            let detail =
                "The upstream reported that it is unavailable, or the circuit breaker is open after repeated failures.";
            Problem::new(Code::UpstreamUnavailable, detail).retry_after(retry_after.unwrap_or(RETRY_WHEN_UNAVAILABLE))
        }
        Error::Timeout => Problem::new(Code::UpstreamTimeout, "The upstream did not answer in time."),
        Error::InvalidResponse { reason } => {
            Problem::new(Code::UpstreamAnswerInvalid, format!("The upstream's answer was not recognised: {reason}."))
        }
        Error::OutcomeUnknown { retry_after } => {
            let detail =
                "The write was sent, and nothing proves whether it was applied. Read the order before you send it again.";
            Problem::new(Code::OutcomeUnknown, detail).retry_after(*retry_after)
        }
        Error::Contradicted { retry_after } => {
            let detail = "The upstream refused the write, and the order read afterwards may show that it was applied all the same. \
                          Read the order before you send it again.";
            Problem::new(Code::OutcomeUnknown, detail).retry_after(*retry_after)
        }
    }
}

fn refused(message: Option<&UpstreamMessage>) -> Problem {
    Problem::new(Code::RefusedByUpstream, "The upstream refused the request.")
        .with_upstream_message(message.and_then(UpstreamMessage::to_display))
}

/// The status of an order for clients of any scope: an unknown enum value is upstream text and could contain PII.
fn displayed_status(order: &Order) -> Option<String> {
    order.status.as_ref().map(|status| mask_personal_data(status.as_str()))
}

//! What failed calls are told as.

use std::time::Duration;

use http::StatusCode;
use http::header::ETAG;

use crate::backend::Error;
use crate::model::{Order, UpstreamMessage, mask_personal_data};
use crate::problem::{Code, FieldError, Outcome, Problem};
use crate::rest::etag::ETag;
use crate::writes::WriteFailure;

/// When to ask again an order system that is out of service and does not say for how long.
const SOON: Duration = Duration::from_secs(5);
/// When to come back to a gateway that has too much to do.
const RETRY_WHEN_OVERLOADED: Duration = Duration::from_secs(1);

impl Problem {
    /// A failed read of one order or customer; `not_found` is the code for the case that there is none.
    #[must_use]
    pub fn read(error: &Error, not_found: Code) -> Self {
        let problem = match error {
            // What is asked in a read was checked, so what does not fit is of our own making.
            Error::UnencodableInput { .. } => {
                Self::new(Code::InternalError, "The gateway cannot ask the order system for this.")
            }
            error => Self::failed(error, not_found),
        };
        if matches!(error, Error::Refused { .. }) {
            return problem.with_status(StatusCode::BAD_GATEWAY);
        }
        problem
    }

    /// A failed read of a list, which is there even when it is empty.
    #[must_use]
    pub fn list(error: &Error) -> Self {
        Self::read(error, Code::UpstreamAnswerInvalid)
    }

    /// A write to an order of this upstream that was not done.
    #[must_use]
    pub fn write(refusal: &WriteFailure, upstream: &str) -> Self {
        let not_sent = |code: Code, detail: &'static str| Self::new(code, detail).with_outcome(Outcome::NotApplied);
        match refusal {
            WriteFailure::Failed(error) => Self::failed_write(error),
            WriteFailure::PreconditionFailed(order) => not_sent(
                Code::PreconditionFailed,
                "The order is not as If-Match says: its status has changed, or its log; nothing was sent.",
            )
            .with_header(ETAG, ETag::of_status(upstream, order).header())
            .with_current_status(status_of(order)),
            WriteFailure::Conflict(order) => {
                let detail = "The write was sent, and then the order had a status of somebody else's.";
                Self::new(Code::WriteConflict, detail).with_outcome(Outcome::Unknown).with_current_status(status_of(order))
            }
            WriteFailure::InDoubt { time_left, is_same } => {
                let detail = "One that was sent earlier may have been applied, or may still be; nothing was sent this time.";
                let outcome = if *is_same { Outcome::Unknown } else { Outcome::NotApplied };
                Self::new(Code::OutcomeUnknown, detail).with_outcome(outcome).retry_after(*time_left)
            }
            WriteFailure::Panicked => {
                Self::new(Code::InternalError, "Something went wrong in the gateway itself, perhaps after the write was sent.")
                    .with_outcome(Outcome::Unknown)
            }
            WriteFailure::KeyReused => {
                not_sent(Code::IdempotencyKeyReused, "The key was used for another message; nothing was sent.")
            }
            WriteFailure::KeyInUse => {
                not_sent(Code::IdempotencyKeyInUse, "Another request with this key has not ended yet; nothing was sent.")
                    .retry_after(RETRY_WHEN_OVERLOADED)
            }
        }
    }

    fn failed_write(error: &Error) -> Self {
        let problem = Self::failed(error, Code::OrderNotFound);
        match error {
            Error::NotSent { .. }
            | Error::NotFound
            | Error::Refused { .. }
            | Error::CredentialRejected
            | Error::Overloaded
            | Error::ClientDisconnected
            | Error::Unreachable => problem.with_outcome(Outcome::NotApplied),
            // The caller's fault, found before anything was sent: nobody needs to be told that it was not applied.
            Error::UnencodableInput { .. } => problem,
            Error::OutcomeUnknown { .. } | Error::Unavailable { .. } | Error::Timeout | Error::InvalidResponse { .. } => {
                problem.with_outcome(Outcome::Unknown)
            }
        }
    }

    fn failed(error: &Error, not_found: Code) -> Self {
        match error {
            // What failed is a read, whatever it was for.
            Error::NotSent { cause } => Self::read(cause, not_found),
            Error::NotFound => Self::new(not_found, "The order system has nothing with this id."),
            Error::Refused { message } => Self::new(Code::RefusedByUpstream, "The order system refused.")
                .with_upstream_message(message.as_ref().and_then(UpstreamMessage::to_display)),
            Error::CredentialRejected => Self::new(
                Code::UpstreamCredentialRejected,
                "The order system rejects the gateway's credential or IP address; nothing was applied.",
            ),
            Error::UnencodableInput { detail } => Self::values(vec![FieldError::pointer("/text", detail.clone())]),
            Error::Unreachable => {
                Self::new(Code::UpstreamUnreachable, "No connection to the order system could be made; nothing was sent.")
            }
            Error::Overloaded | Error::ClientDisconnected => {
                let detail = "Too many calls wait for the order system; nothing was sent.";
                Self::new(Code::Overloaded, detail).retry_after(RETRY_WHEN_OVERLOADED)
            }
            Error::Unavailable { retry_after } => {
                let detail = "The order system is out of service, or has not answered lately and is not asked for a moment.";
                Self::new(Code::UpstreamUnavailable, detail).retry_after(retry_after.unwrap_or(SOON))
            }
            Error::Timeout => Self::new(Code::UpstreamTimeout, "The order system did not answer in time."),
            Error::InvalidResponse { reason } => {
                let detail = format!("The order system's answer was not recognised: {reason}.");
                Self::new(Code::UpstreamAnswerInvalid, detail)
            }
            Error::OutcomeUnknown { retry_after } => {
                let detail = "The write was sent, and nothing proves that it was applied or that it was not. Read the order \
                              before sending it again.";
                Self::new(Code::OutcomeUnknown, detail).retry_after(*retry_after)
            }
        }
    }
}

/// The status as callers of every scope may read it.
fn status_of(order: &Order) -> Option<String> {
    order.status.as_ref().map(|status| mask_personal_data(status.as_str()))
}

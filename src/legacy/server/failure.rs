//! How calls fail, and which answer an error has.
//!
//! A failure that is known has an envelope with `failed`. A write whose outcome is unknown has none, whatever the configuration
//! says: an envelope would claim that it was not applied.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use crate::backend::Error;
use crate::legacy::query::InvalidParams;
use crate::model::UpstreamMessage;

/// How a request ended, in logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// The client, its request or what it wanted was refused; nothing was applied.
    Refused,
    /// The write may have been applied.
    Unknown,
    /// No answer of the system; nothing was applied.
    Unavailable,
    /// The answer of the system was not recognised, or the server failed.
    Failed,
    /// The answer ended before its end.
    Broken,
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Broken => "broken",
        }
    }
}

/// A failed call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Known {
        /// The HTTP status, and the text of `code`.
        status: StatusCode,
        message: Cow<'static, str>,
        retry_after: Option<Duration>,
        outcome: Outcome,
    },
    /// The write may have been applied.
    Unknown,
}

/// When to try again if nothing else is known.
const RETRY_WHEN_UNAVAILABLE: Duration = Duration::from_secs(5);
const RETRY_WHEN_OVERLOADED: Duration = Duration::from_secs(1);

impl Failure {
    fn new(status: StatusCode, message: impl Into<Cow<'static, str>>, outcome: Outcome) -> Self {
        Self::Known { status, message: message.into(), retry_after: None, outcome }
    }

    pub(super) fn unknown_method() -> Self {
        Self::new(StatusCode::NOT_FOUND, "method is not valid", Outcome::Refused)
    }

    pub(super) fn unknown_caller() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Access denied", Outcome::Refused)
    }

    /// The server panicked.
    pub(super) fn internal(writes: bool) -> Self {
        if writes {
            return Self::Unknown;
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", Outcome::Failed)
    }

    fn unavailable(retry_after: Duration) -> Self {
        Self::Known {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "The service is not available".into(),
            retry_after: Some(retry_after),
            outcome: Outcome::Unavailable,
        }
    }

    /// The failure of a read.
    pub(super) fn of_read(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(StatusCode::NOT_FOUND, "Not found", Outcome::Refused),
            Error::Timeout => Self::new(StatusCode::GATEWAY_TIMEOUT, "The service did not answer", Outcome::Unavailable),
            Error::InvalidResponse { .. } | Error::OutcomeUnknown { .. } | Error::Contradicted { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "The service did not answer", Outcome::Failed)
            }
            other => Self::of_call(other),
        }
    }

    /// The failure of a write. What does not say that it was not applied is unknown.
    pub(super) fn of_write(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(StatusCode::NOT_FOUND, "Order does not exist", Outcome::Refused),
            Error::OutcomeUnknown { .. }
            | Error::Contradicted { .. }
            | Error::Timeout
            | Error::InvalidResponse { .. }
            | Error::BuffersFull => Self::Unknown,
            other => Self::of_call(other),
        }
    }

    /// What reads and writes share.
    fn of_call(error: Error) -> Self {
        match error {
            Error::Refused { message } => {
                let message = message.as_ref().and_then(UpstreamMessage::to_full_display).map_or("Refused".into(), Cow::Owned);
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message, Outcome::Refused)
            }
            Error::UnencodableInput { detail } => Self::new(StatusCode::BAD_REQUEST, detail, Outcome::Refused),
            // Not 403: the client's credential is not the one that was refused.
            Error::CredentialRejected => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The service is not available", Outcome::Unavailable)
            }
            Error::NotSent { cause } if *cause == Error::CredentialRejected => Self::of_call(*cause),
            Error::NotSent { cause } => Self::unavailable(retry_after(&cause)),
            other => Self::unavailable(retry_after(&other)),
        }
    }
}

fn retry_after(error: &Error) -> Duration {
    match error {
        Error::Unavailable { retry_after } => retry_after.unwrap_or(RETRY_WHEN_UNAVAILABLE),
        Error::Overloaded | Error::NoResources | Error::BuffersFull | Error::ClientDisconnected => RETRY_WHEN_OVERLOADED,
        _ => RETRY_WHEN_UNAVAILABLE,
    }
}

impl From<InvalidParams> for Failure {
    fn from(InvalidParams(message): InvalidParams) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message, Outcome::Refused)
    }
}

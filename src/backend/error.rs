//! How a call can fail, told by whose fault it is and whether a write may have happened.

use std::time::Duration;

use crate::model::UpstreamMessage;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call. After a write, only [`Error::OutcomeUnknown`] leaves open whether it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no order or customer with this id.
    #[error("the order system has no such entity")]
    NotFound,
    /// The order system understood and said no.
    #[error("the order system refused")]
    Refused {
        /// What it said.
        message: Option<UpstreamMessage>,
    },
    /// The order system does not accept our credential or our IP address.
    #[error("the order system rejected the gateway's credential or IP address")]
    CredentialRejected,
    /// A value cannot be carried to the order system; nothing was sent.
    #[error("{detail}")]
    UnencodableInput {
        /// What cannot be carried, for the caller who gave it.
        detail: String,
    },
    /// Something that must come first failed, such as a login, so the call itself was not sent.
    #[error("{cause}")]
    NotSent {
        /// What failed.
        cause: Box<Self>,
    },
    /// No connection could be made; nothing was sent.
    #[error("the order system cannot be reached")]
    Unreachable,
    /// Too many calls wait for this order system, so this one was not sent.
    #[error("the gateway has too many calls of the order system to make")]
    Overloaded,
    /// Whoever asked for a write left while it still waited, so it was not sent.
    #[error("the client left before the write was sent")]
    ClientDisconnected,
    /// The order system says that it is out of service, or it was not asked because it did not answer lately.
    #[error("the order system is not available")]
    Unavailable {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A read had no answer in time.
    #[error("the order system did not answer in time")]
    Timeout,
    /// A read had an answer that is not one the order system gives.
    #[error("the order system's answer was not recognised: {reason}")]
    InvalidResponse {
        /// What is wrong with it; never text from it.
        reason: &'static str,
    },
    /// A write was sent, and nothing proves that it happened or that it did not.
    #[error("the order system gave no evidence of the outcome")]
    OutcomeUnknown {
        /// How long a write of ours may still be on its way.
        retry_after: Duration,
    },
}

impl Error {
    /// A short name for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent { cause } => cause.kind(),
            Self::NotFound => "not_found",
            Self::Refused { .. } => "refused",
            Self::CredentialRejected => "credential_rejected",
            Self::UnencodableInput { .. } => "unsendable",
            Self::Unreachable => "unreachable",
            Self::Overloaded => "overloaded",
            Self::ClientDisconnected => "abandoned",
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout => "timeout",
            Self::InvalidResponse { .. } => "answer_invalid",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
        }
    }
}

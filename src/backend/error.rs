//! How a call can fail: whose fault it is, and whether a write may have been applied.

use std::time::Duration;

use crate::model::UpstreamMessage;
use crate::resilience::Exhausted;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call. After a write, only those that [`Error::leaves_doubt`] leave open whether it was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No order or customer has this id.
    #[error("the upstream has no such order or customer")]
    NotFound,
    /// The upstream understood the call and rejected it.
    #[error("the upstream rejected the call")]
    Refused {
        /// Its own message.
        message: Option<UpstreamMessage>,
    },
    /// The upstream does not accept our credential or our IP address.
    #[error("the upstream rejected the gateway's credential or IP address")]
    CredentialRejected,
    /// A value cannot be encoded for the upstream; nothing was sent.
    #[error("{detail}")]
    UnencodableInput {
        /// What cannot be encoded, for the client that sent it.
        detail: String,
    },
    /// A call that had to come first failed, such as a login or a preflight read; the call itself was not sent.
    #[error("the call was not sent")]
    NotSent {
        /// What failed.
        #[source]
        cause: Box<Self>,
    },
    /// No connection could be made; nothing was sent.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// The gateway has no file descriptor, port or memory left for a connection; nothing was sent.
    #[error("the gateway has nothing left to make a connection with")]
    NoResources,
    /// No permit was available in time; nothing was sent.
    #[error("too many calls wait for the upstream")]
    Overloaded,
    /// The answer to a read does not fit into the memory for answers, which others hold.
    #[error("the memory for answers is used up")]
    BuffersFull,
    /// The client disconnected while its write was still queued; nothing was sent.
    #[error("the client disconnected before the write was sent")]
    ClientDisconnected,
    /// The upstream reports that it is out of service, or its circuit breaker is open.
    #[error("the upstream is not available")]
    Unavailable {
        /// When to try again, if known.
        retry_after: Option<Duration>,
    },
    /// A read had no response in time.
    #[error("the upstream did not respond in time")]
    Timeout,
    /// The response to a read was not recognised.
    #[error("the upstream's response was not recognised: {reason}")]
    InvalidResponse {
        /// What is wrong with it; never text from it.
        reason: &'static str,
    },
    /// A write was sent, and nothing proves that it was applied or that it was not.
    #[error("the outcome of the write is unknown")]
    OutcomeUnknown {
        /// How long the write may still be applied.
        retry_after: Duration,
    },
    /// The upstream rejected a write, and the order that was read afterwards may show it all the same.
    #[error("the upstream rejected the write, and the order may show it")]
    Contradicted {
        /// How long the write may still be applied.
        retry_after: Duration,
    },
}

/// The answer to a read cannot be held.
impl From<Exhausted> for Error {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Now => Self::BuffersFull,
            Exhausted::Never => Self::InvalidResponse { reason: "it needs more memory than server.max_buffered_bytes" },
        }
    }
}

impl Error {
    /// Its name in logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent { cause } => cause.kind(),
            Self::NotFound => "not_found",
            Self::Refused { .. } => "refused",
            Self::CredentialRejected => "credential_rejected",
            Self::UnencodableInput { .. } => "unsendable",
            Self::Unreachable => "unreachable",
            Self::NoResources => "no_resources",
            Self::Overloaded => "overloaded",
            Self::BuffersFull => "buffers_full",
            Self::ClientDisconnected => "abandoned",
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout => "timeout",
            Self::InvalidResponse { .. } => "answer_invalid",
            Self::OutcomeUnknown { .. } | Self::Contradicted { .. } => "outcome_unknown",
        }
    }

    /// Whether a write that ended like this may have been applied, or may still be.
    #[must_use]
    pub const fn leaves_doubt(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. } | Self::Contradicted { .. })
    }
}

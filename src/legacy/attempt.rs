//! One HTTP exchange with the upstream, and what it means for a read and for a write.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};

use super::decode_settings::DecodeSettings;
use super::methods::{Idempotency, MethodSpec};
use super::response_parser::ResponseParser;
use super::transport::{Body, Response, SendError};
use super::xml::Malformed;
use crate::backend::{Error, Transient};
use crate::resilience::{Exhausted, Outcome, Share};

/// The largest answer to a write that is read. A confirmation has a few hundred bytes, and anything larger confirms nothing.
const MAX_CONFIRMATION_BYTES: u64 = 64 * 1024;

/// One request and its response.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// No connection could be made.
    NotSent,
    /// No connection could be made, because the gateway itself lacks what one needs.
    NoResources,
    /// The response was not complete in time.
    TimedOut,
    /// The connection was lost before the response was complete.
    ConnectionLost,
    /// The head of the response is not valid HTTP.
    InvalidHttp,
    /// The response came and could not be held.
    NotBuffered(Exhausted),
    /// A complete HTTP response; its document may be malformed.
    Answered {
        status: u16,
        retry_after: Option<Duration>,
        clock_skew: Option<SignedDuration>,
        answer: Result<Box<ResponseParser>, Malformed>,
    },
}

impl From<SendError> for Attempt {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent(cause) if cause.is_own() => Self::NoResources,
            SendError::NotSent(_) => Self::NotSent,
            SendError::ConnectionLost { .. } => Self::ConnectionLost,
            SendError::InvalidHttp => Self::InvalidHttp,
        }
    }
}

impl Attempt {
    /// Receives the rest of a response whose head has arrived, in the memory of this share.
    pub(crate) async fn receive(
        response: Response,
        method: &'static MethodSpec,
        settings: &Arc<DecodeSettings>,
        share: Share,
        deadline: Instant,
    ) -> Self {
        let Response { status, charset, retry_after, clock_skew, mut body } = response;
        let max_bytes = match method.idempotency {
            Idempotency::Safe => settings.max_response_bytes,
            Idempotency::Idempotent | Idempotency::NonIdempotent => settings.max_response_bytes.min(MAX_CONFIRMATION_BYTES),
        };
        // In a box, because futures that hold it are moved.
        let mut parser = Box::new(ResponseParser::new(method, Arc::clone(settings), charset, max_bytes).with_share(share));
        let answer = match timeout_at(deadline, read_whole(&mut parser, &mut body, max_bytes)).await {
            Err(_) => return Self::TimedOut,
            Ok(Err(ReceiveError::Connection(error))) => return error.into(),
            Ok(Err(ReceiveError::Memory(exhausted))) => return Self::NotBuffered(exhausted),
            Ok(Err(ReceiveError::Document(malformed))) => Err(malformed),
            Ok(Ok(())) => Ok(parser),
        };
        Self::Answered { status, retry_after, clock_skew, answer }
    }

    /// How far the upstream's clock is ahead of ours.
    pub(crate) const fn clock_skew(&self) -> Option<SignedDuration> {
        if let Self::Answered { clock_skew, .. } = self { *clock_skew } else { None }
    }

    /// Whether the circuit breaker counts this as success. Rejections and not-found are healthy responses, recognised or not: a
    /// firewall that blocks the text of one message must not close the upstream for everything else.
    pub(crate) fn is_healthy(&self) -> bool {
        match self {
            // The upstream did answer; the memory is the gateway's.
            Self::NotBuffered(_) | Self::Answered { status: 401 | 403 | 404, .. } => true,
            Self::Answered { status, answer: Ok(answer), .. } => {
                answer.failure(*status).is_some() || (200..300).contains(status)
            }
            Self::NotSent
            | Self::NoResources
            | Self::TimedOut
            | Self::ConnectionLost
            | Self::InvalidHttp
            | Self::Answered { answer: Err(_), .. } => false,
        }
    }

    /// How it ended from the upstream's point of view. `None` if the gateway itself lacked what a connection needs, which says
    /// nothing about the upstream.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NoResources => None,
            Self::TimedOut => Some(Outcome::TimedOut),
            attempt if attempt.is_healthy() => Some(Outcome::Success),
            _ => Some(Outcome::Failure),
        }
    }

    /// Whether a read may succeed soon: it did not come through, or the server in front of the upstream reports trouble.
    pub(crate) fn transient_failure(&self) -> Option<Transient> {
        match self {
            Self::NotSent | Self::ConnectionLost => Some(Transient { retry_after: None }),
            Self::Answered { status: 429 | 500..=599, retry_after, .. } if !self.is_healthy() => {
                Some(Transient { retry_after: *retry_after })
            }
            Self::NoResources | Self::TimedOut | Self::InvalidHttp | Self::NotBuffered(_) | Self::Answered { .. } => None,
        }
    }

    /// The meaning for a read: an answer that may hold what was asked for, or an error.
    pub(crate) fn read_result(self) -> Result<Box<ResponseParser>, Error> {
        let (status, retry_after, answer) = match self {
            Self::NotSent => return Err(Error::Unreachable),
            Self::NoResources => return Err(Error::NoResources),
            Self::TimedOut => return Err(Error::Timeout),
            Self::InvalidHttp => {
                return Err(Error::InvalidResponse { reason: "its head is not valid HTTP, or its length is in doubt" });
            }
            Self::NotBuffered(exhausted) => return Err(exhausted.into()),
            Self::ConnectionLost => {
                return Err(Error::InvalidResponse { reason: "the connection was lost before it was complete" });
            }
            Self::Answered { status, retry_after, answer, .. } => (status, retry_after, answer),
        };
        let failure = answer.as_ref().ok().and_then(|answer| answer.failure(status));
        match (failure, status, answer) {
            (_, 401 | 403, _) => Err(Error::CredentialRejected),
            (Some(failure), _, _) => Err(failure),
            (None, 503, _) => Err(Error::Unavailable { retry_after }),
            (None, 200..=299, Ok(answer)) if answer.outcome().may_be_success() => Ok(answer),
            (None, 200..=299, Ok(_)) => Err(Error::InvalidResponse { reason: "its status is neither success nor failed" }),
            (None, 200..=299, Err(Malformed(reason))) => Err(Error::InvalidResponse { reason }),
            (None, _, _) => Err(Error::InvalidResponse { reason: "its HTTP status is not a success" }),
        }
    }

    /// The meaning for a write. Only an explicit confirmation is success, and only a recognised failure is one, whatever the HTTP
    /// status: a page with 401 or 403 may come from a firewall behind which the write was applied. In every other case the write
    /// may have been applied, or may still be for `settle_time`.
    pub(crate) fn write_result(self, settle_time: Duration) -> Result<(), Error> {
        let unknown = Error::OutcomeUnknown { retry_after: settle_time };
        let (status, answer) = match self {
            Self::NotSent => return Err(Error::Unreachable),
            Self::NoResources => return Err(Error::NoResources),
            Self::TimedOut | Self::ConnectionLost | Self::InvalidHttp | Self::NotBuffered(_) => return Err(unknown),
            Self::Answered { status, answer, .. } => (status, answer),
        };
        let failure = answer.as_ref().ok().and_then(|answer| answer.failure(status));
        match (failure, status, answer) {
            (Some(failure), _, _) => Err(failure),
            (None, 200..=299, Ok(answer)) if answer.outcome().is_confirmed() => Ok(()),
            (None, _, _) => Err(unknown),
        }
    }
}

/// Why a response could not be received.
enum ReceiveError {
    Connection(SendError),
    Memory(Exhausted),
    Document(Malformed),
}

async fn read_whole(parser: &mut ResponseParser, body: &mut Body, max_bytes: u64) -> Result<(), ReceiveError> {
    let mut total = 0;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(ReceiveError::Connection)?;
        total += bytes.len() as u64;
        if total > max_bytes {
            return Err(ReceiveError::Document(Malformed("it is larger than max_response_bytes")));
        }
        parser.read(bytes).map_err(ReceiveError::Document)?;
        parser.reserve().map_err(ReceiveError::Memory)?;
    }
    parser.finish().map_err(ReceiveError::Document)
}

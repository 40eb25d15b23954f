//! One HTTP exchange with the upstream, and what it means for a read and for a write.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::response_parser::ResponseParser;
use super::transport::{Body, Response, SendError};
use super::xml::Malformed;
use crate::backend::Error;

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
    /// A complete HTTP response; its document may be malformed.
    Answered {
        status: u16,
        retry_after: Option<Duration>,
        clock_skew: Option<SignedDuration>,
        answer: Result<Box<ResponseParser>, Malformed>,
    },
}

/// A failure that may be over soon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transient {
    /// When the upstream wants the next attempt.
    pub(crate) retry_after: Option<Duration>,
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
    /// Receives the rest of a response whose head has arrived.
    pub(crate) async fn receive(
        response: Response,
        method: &'static MethodSpec,
        settings: &Arc<DecodeSettings>,
        deadline: Instant,
    ) -> Self {
        let Response { status, charset, retry_after, clock_skew, body } = response;
        let parser = ResponseParser::new(method, Arc::clone(settings), charset, settings.max_response_bytes);
        match timeout_at(deadline, read_whole(parser, body, settings.max_response_bytes)).await {
            Err(_) => Self::TimedOut,
            Ok(Err(error)) => error.into(),
            Ok(Ok(answer)) => Self::Answered { status, retry_after, clock_skew, answer },
        }
    }

    /// How far the upstream's clock is ahead of ours.
    pub(crate) const fn clock_skew(&self) -> Option<SignedDuration> {
        if let Self::Answered { clock_skew, .. } = self { *clock_skew } else { None }
    }

    /// Whether the circuit breaker counts this as success. Rejections and not-found are healthy responses, recognised or not: a
    /// firewall that blocks the text of one message must not close the upstream for everything else.
    pub(crate) fn is_healthy(&self) -> bool {
        match self {
            Self::Answered { status: 401 | 403 | 404, .. } => true,
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

    /// Whether a read may succeed soon: it did not come through, or the server in front of the upstream reports trouble.
    pub(crate) fn transient_failure(&self) -> Option<Transient> {
        match self {
            Self::NotSent | Self::ConnectionLost => Some(Transient { retry_after: None }),
            Self::Answered { status: 429 | 500..=599, retry_after, .. } if !self.is_healthy() => {
                Some(Transient { retry_after: *retry_after })
            }
            Self::NoResources | Self::TimedOut | Self::InvalidHttp | Self::Answered { .. } => None,
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
            Self::TimedOut | Self::ConnectionLost | Self::InvalidHttp => return Err(unknown),
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

async fn read_whole(
    mut parser: ResponseParser,
    mut body: Body,
    max_bytes: u64,
) -> Result<Result<Box<ResponseParser>, Malformed>, SendError> {
    let mut total = 0;
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        total += bytes.len() as u64;
        if total > max_bytes {
            return Ok(Err(Malformed("it is larger than max_response_bytes")));
        }
        parser.push(&bytes);
        loop {
            match parser.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(malformed) => return Ok(Err(malformed)),
            }
        }
    }
    Ok(parser.finish().map(|()| Box::new(parser)))
}

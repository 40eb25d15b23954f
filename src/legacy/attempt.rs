//! How an exchange with the order system ended, and what that means for a read and for a write.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};

use super::decode_settings::DecodeSettings;
use super::methods::MethodSpec;
use super::response_parser::ResponseParser;
use super::transport::{Body, Response, SendError, Transport};
use super::xml::Malformed;
use crate::backend::Error;

/// One request and what came of it.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// No connection could be made.
    NotSent,
    /// The whole answer was not there in time.
    TimedOut,
    /// The connection broke before the answer was whole.
    ConnectionLost,
    /// The HTTP message was whole; its document may not be one.
    Answered {
        status: u16,
        retry_after: Option<Duration>,
        clock: Option<SignedDuration>,
        answer: Result<Box<ResponseParser>, Malformed>,
    },
}

/// Trouble that may be over soon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transient {
    /// When the order system wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl From<SendError> for Attempt {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent => Self::NotSent,
            SendError::ConnectionLost => Self::ConnectionLost,
        }
    }
}

impl Attempt {
    /// Sends a call once and takes in its whole answer, all before the deadline.
    pub(crate) async fn run(
        transport: &Transport,
        call: &'static MethodSpec,
        profile: &Arc<DecodeSettings>,
        query: &str,
        deadline: Instant,
    ) -> Self {
        match timeout_at(deadline, transport.send(call, query)).await {
            Err(_) => Self::TimedOut,
            Ok(Err(error)) => error.into(),
            Ok(Ok(response)) => Self::receive(response, call, profile, deadline).await,
        }
    }

    /// Takes in the whole answer of a response whose head is there.
    pub(crate) async fn receive(
        response: Response,
        call: &'static MethodSpec,
        profile: &Arc<DecodeSettings>,
        deadline: Instant,
    ) -> Self {
        let Response { status, charset, retry_after, clock_skew: clock, body } = response;
        let answer = ResponseParser::new(call, Arc::clone(profile), charset, profile.max_response_bytes);
        match timeout_at(deadline, read_whole(answer, body, profile.max_response_bytes)).await {
            Err(_) => Self::TimedOut,
            Ok(Err(error)) => error.into(),
            Ok(Ok(answer)) => Self::Answered { status, retry_after, clock, answer },
        }
    }

    /// By how much the order system's clock is ahead of ours.
    pub(crate) const fn server_clock_skew(&self) -> Option<SignedDuration> {
        if let Self::Answered { clock, .. } = self { *clock } else { None }
    }

    /// Whether the order system did its part; what it refuses, and what it does not have, it answers well.
    pub(crate) fn is_healthy(&self) -> bool {
        match self {
            Self::NotSent | Self::TimedOut | Self::ConnectionLost => false,
            Self::Answered { status, answer, .. } => match answer {
                _ if matches!(status, 401 | 403 | 404) => true,
                Ok(answer) => answer.failure(*status).is_some() || (200..300).contains(status),
                Err(_) => false,
            },
        }
    }

    /// Whether a read may have another answer soon: it did not come through, or the server in front of the order system
    /// says that something is wrong at the moment.
    pub(crate) fn transient_failure(&self) -> Option<Transient> {
        match self {
            Self::NotSent | Self::ConnectionLost => Some(Transient { retry_after: None }),
            Self::Answered { status: 429 | 500..=599, retry_after, .. } if !self.is_healthy() => {
                Some(Transient { retry_after: *retry_after })
            }
            Self::TimedOut | Self::Answered { .. } => None,
        }
    }

    /// What the exchange means for a read: an answer that may hold what was asked for, or an error.
    pub(crate) fn read_result(self) -> Result<Box<ResponseParser>, Error> {
        let (status, retry_after, answer) = match self {
            Self::NotSent => return Err(Error::Unreachable),
            Self::TimedOut => return Err(Error::Timeout),
            Self::ConnectionLost => return Err(Error::InvalidResponse { reason: "the connection broke before it was whole" }),
            Self::Answered { status, retry_after, answer, .. } => (status, retry_after, answer),
        };
        let stated = answer.as_ref().ok().and_then(|answer| answer.failure(status));
        match (stated, status, answer) {
            (_, 401 | 403, _) => Err(Error::CredentialRejected),
            (Some(failure), _, _) => Err(failure),
            (None, 503, _) => Err(Error::Unavailable { retry_after }),
            (None, 200..=299, Ok(answer)) if answer.outcome().may_be_success() => Ok(answer),
            (None, 200..=299, Ok(_)) => Err(Error::InvalidResponse { reason: "its status is neither success nor failed" }),
            (None, 200..=299, Err(Malformed(reason))) => Err(Error::InvalidResponse { reason }),
            (None, _, _) => Err(Error::InvalidResponse { reason: "its HTTP status is no success" }),
        }
    }

    /// What the exchange means for a write. Only a confirmation in so many words is success, and only what cannot have
    /// happened is failure; `settle_time` is how long the write may be on its way in every other case.
    pub(crate) fn write_result(self, settle_time: Duration) -> Result<(), Error> {
        let (status, answer) = match self {
            Self::NotSent => return Err(Error::Unreachable),
            Self::TimedOut | Self::ConnectionLost => return Err(Error::OutcomeUnknown { retry_after: settle_time }),
            Self::Answered { status, answer, .. } => (status, answer),
        };
        let stated = answer.as_ref().ok().and_then(|answer| answer.failure(status));
        match (stated, status, answer) {
            // A server that says both yes and no says nothing.
            (None, 401 | 403, Ok(answer)) if answer.outcome().is_confirmed() => {
                Err(Error::OutcomeUnknown { retry_after: settle_time })
            }
            (_, 401 | 403, _) => Err(Error::CredentialRejected),
            (Some(failure), _, _) => Err(failure),
            (None, 200..=299, Ok(answer)) if answer.outcome().is_confirmed() => Ok(()),
            (None, _, _) => Err(Error::OutcomeUnknown { retry_after: settle_time }),
        }
    }
}

async fn read_whole(
    mut answer: ResponseParser,
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
        answer.push(&bytes);
        loop {
            match answer.next_part() {
                Ok(true) => {}
                Ok(false) => break,
                Err(malformed) => return Ok(Err(malformed)),
            }
        }
    }
    Ok(answer.finish().map(|()| Box::new(answer)))
}

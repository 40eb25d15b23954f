//! What became of a request to a JSON system, and what that means: the first row that fits wins.
//!
//! | answer | read | write |
//! | --- | --- | --- |
//! | 404 `order-not-found`, `customer-not-found` | not found | not found |
//! | 404 `route-not-found` | invalid answer | not sent |
//! | any other 404 | invalid answer | in doubt |
//! | 422 `idempotency-key-reused` | – | in doubt |
//! | 422; 400 `invalid-…`, `malformed-body` | invalid answer | cannot be sent |
//! | 401, 403, 502 `upstream-credential-rejected` | credential rejected | credential rejected; a page without a problem: in doubt |
//! | 409 and 502 `refused-by-upstream`, any other 409 that was not applied | refused | refused |
//! | 409 `idempotency-key-in-use` | – | wait, then again |
//! | 429, 503 `overloaded` | overloaded | not sent; a page without a problem: in doubt |
//! | any other with the outcome `not-applied` | unavailable | not sent |
//! | 5xx | unavailable | in doubt |
//! | anything else | invalid answer | in doubt |
//!
//! An outcome that a problem states is never contradicted: what it says is unknown stays in doubt.

use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;

use crate::backend::{Error, Transient};
use crate::model::{LocalTime, OrderStatus, UpstreamMessage, Zone};
use crate::problem::{self, Code};
use crate::resilience::{Exhausted, Outcome, Reservation};
use crate::rest::read::{self, AddedMessage, Problem, has_status};

/// One request and its response.
#[derive(Debug)]
pub(super) enum Attempt {
    /// No connection could be made.
    NotSent,
    /// No connection could be made, because the gateway itself lacks what one needs.
    NoResources,
    /// The response was not complete in time.
    TimedOut,
    /// The connection was lost before the response was complete.
    Lost,
    /// The response came and could not be held.
    NotBuffered(Exhausted),
    /// A complete response.
    Answered(Box<Answer>),
}

/// A complete response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media: Media,
    /// When the system wants the next request.
    pub(super) retry_after: Option<Duration>,
    /// How far its clock is ahead of ours.
    pub(super) clock_skew: Option<SignedDuration>,
    pub(super) body: Bytes,
    /// What the body holds.
    pub(super) memory: Reservation,
}

/// What a body is, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Ndjson,
    Problem,
    /// It was larger than it may be, and is not there.
    TooLarge,
    Other,
}

/// What a write wants to be confirmed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    Status(OrderStatus),
    Message(&'a Zone),
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// It was applied, and its log entry has this stamp.
    Applied(Option<LocalTime>),
    /// It was not applied and is not worth a repetition.
    Failed(Error),
    /// It was not applied; it may be soon.
    NotApplied(Error, Transient),
    /// A request with its key is in progress.
    KeyInUse(Option<Duration>),
    /// Nothing proves that it was applied or that it was not. The system may say when to ask again.
    InDoubt(Option<Duration>),
}

impl Media {
    pub(super) fn of(content_type: &str) -> Self {
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Self::Json,
            "application/x-ndjson" | "application/ndjson" => Self::Ndjson,
            problem::MEDIA_TYPE => Self::Problem,
            _ => Self::Other,
        }
    }
}

impl Attempt {
    /// How it ended from the system's point of view. `None` if that says nothing about it.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NoResources => None,
            Self::TimedOut => Some(Outcome::TimedOut),
            Self::NotSent | Self::Lost => Some(Outcome::Failure),
            Self::NotBuffered(_) => Some(Outcome::Success),
            Self::Answered(answer) => Some(if answer.is_healthy() { Outcome::Success } else { Outcome::Failure }),
        }
    }

    /// Whether a read may succeed soon.
    pub(super) fn transient_failure(&self) -> Option<Transient> {
        match self {
            Self::NotSent | Self::Lost | Self::TimedOut => Some(Transient { retry_after: None }),
            Self::NoResources | Self::NotBuffered(_) => None,
            Self::Answered(answer) => answer.is_transient().then_some(Transient { retry_after: answer.retry_after }),
        }
    }

    /// The meaning for a read: JSON that may be what was asked for, or an error. `not_found` is the code by which the system
    /// says that there is no such thing.
    pub(super) fn read_result(self, not_found: Option<Code>) -> Result<Box<Answer>, Error> {
        match self {
            Self::NotSent => Err(Error::Unreachable),
            Self::NoResources => Err(Error::NoResources),
            Self::TimedOut => Err(Error::Timeout),
            Self::Lost => Err(Error::InvalidResponse { reason: "the connection was lost before it was complete" }),
            Self::NotBuffered(exhausted) => Err(exhausted.into()),
            Self::Answered(answer) => match (answer.status, answer.media) {
                (200, Media::Json | Media::Ndjson) => Ok(answer),
                (200, Media::TooLarge) => Err(Error::InvalidResponse { reason: "it is larger than max_response_bytes" }),
                (200, _) => Err(Error::InvalidResponse { reason: "it is not JSON" }),
                _ => Err(answer.read_error(not_found)),
            },
        }
    }

    pub(super) fn write_outcome(self, wanted: Wanted<'_>) -> WriteOutcome {
        let not_sent = |error| WriteOutcome::NotApplied(error, Transient { retry_after: None });
        match self {
            Self::NotSent => not_sent(Error::Unreachable),
            Self::NoResources => WriteOutcome::Failed(Error::NotSent { cause: Box::new(Error::NoResources) }),
            Self::TimedOut | Self::Lost | Self::NotBuffered(_) => WriteOutcome::InDoubt(None),
            Self::Answered(answer) => answer.write_outcome(wanted),
        }
    }
}

impl Answer {
    fn problem(&self) -> Option<Problem> {
        if self.media == Media::Problem { Problem::read(&self.body) } else { None }
    }

    fn code(&self) -> Option<Code> {
        self.problem()?.code
    }

    /// Business answers are healthy, and so are pages that a firewall sends for one request.
    fn is_healthy(&self) -> bool {
        match self.status {
            200..=204 => matches!(self.media, Media::Json | Media::Ndjson | Media::TooLarge) || self.status == 204,
            400..=499 => true,
            502 => matches!(self.code(), Some(Code::RefusedByUpstream | Code::UpstreamCredentialRejected)),
            503 => self.code() == Some(Code::Overloaded),
            _ => false,
        }
    }

    fn is_transient(&self) -> bool {
        match self.status {
            429 => true,
            400..=499 => false,
            _ => !self.is_healthy() || self.status == 503,
        }
    }

    fn read_error(&self, not_found: Option<Code>) -> Error {
        let problem = self.problem();
        let code = problem.as_ref().and_then(|problem| problem.code);
        match (self.status, code) {
            (404, Some(code)) if Some(code) == not_found => Error::NotFound,
            (404, _) => Error::InvalidResponse { reason: "its HTTP status is 404, and not because something does not exist" },
            (400 | 422, _) => Error::InvalidResponse { reason: "it rejects the request as invalid" },
            (401 | 403, _) | (502, Some(Code::UpstreamCredentialRejected)) => Error::CredentialRejected,
            (409 | 502, Some(Code::RefusedByUpstream)) => refused(problem),
            (429, _) | (503, Some(Code::Overloaded)) => Error::Overloaded,
            (500..=599, _) => Error::Unavailable { retry_after: self.retry_after },
            _ if is_not_applied(problem.as_ref()) => Error::Unavailable { retry_after: self.retry_after },
            _ => Error::InvalidResponse { reason: "its HTTP status is not a success" },
        }
    }

    fn write_outcome(&self, wanted: Wanted<'_>) -> WriteOutcome {
        if matches!(self.status, 200..=299) {
            return self.confirmation(wanted).unwrap_or(WriteOutcome::InDoubt(None));
        }
        let problem = self.problem();
        let code = problem.as_ref().and_then(|problem| problem.code);
        let is_not_applied = is_not_applied(problem.as_ref());
        let is_unknown = problem.as_ref().is_some_and(|problem| problem.outcome == Some(read::Outcome::Unknown));
        let in_doubt = WriteOutcome::InDoubt(self.retry_after);
        let not_applied = |error| WriteOutcome::NotApplied(error, Transient { retry_after: self.retry_after });
        match (self.status, code) {
            (409, Some(Code::IdempotencyKeyInUse)) => WriteOutcome::KeyInUse(self.retry_after),
            (422, Some(Code::IdempotencyKeyReused)) => in_doubt,
            _ if is_unknown => in_doubt,
            // A page without a problem may come from a firewall behind which the write was applied.
            (401 | 403, _) if problem.is_some() => WriteOutcome::Failed(Error::CredentialRejected),
            (404, Some(Code::OrderNotFound)) => WriteOutcome::Failed(Error::NotFound),
            (404, Some(Code::RouteNotFound)) => {
                let cause = Error::InvalidResponse { reason: "it does not know the path: is the URL of the backend right?" };
                WriteOutcome::Failed(Error::NotSent { cause: Box::new(cause) })
            }
            (404, _) => in_doubt,
            (400, Some(Code::InvalidParameter | Code::InvalidValue | Code::MalformedBody)) => {
                WriteOutcome::Failed(unsendable(problem))
            }
            (422, _) if problem.is_some() => WriteOutcome::Failed(unsendable(problem)),
            (502, Some(Code::UpstreamCredentialRejected)) => WriteOutcome::Failed(Error::CredentialRejected),
            (409 | 502, Some(Code::RefusedByUpstream)) => WriteOutcome::Failed(refused(problem)),
            (409, _) if is_not_applied => WriteOutcome::Failed(refused(problem)),
            (429, _) if problem.is_some() => not_applied(Error::Overloaded),
            (503, Some(Code::Overloaded)) => not_applied(Error::Overloaded),
            _ if is_not_applied => not_applied(Error::Unavailable { retry_after: self.retry_after }),
            _ => in_doubt,
        }
    }

    /// Whether a success confirms what was wanted; `None` if not.
    fn confirmation(&self, wanted: Wanted<'_>) -> Option<WriteOutcome> {
        let is_json = self.media == Media::Json;
        match (wanted, self.status) {
            (_, 204) => Some(WriteOutcome::Applied(None)),
            (Wanted::Status(status), 200) if is_json && has_status(&self.body, status) => Some(WriteOutcome::Applied(None)),
            (Wanted::Message(zone), 200 | 201) if is_json => {
                AddedMessage::read(&self.body, zone).map(|AddedMessage { at }| WriteOutcome::Applied(at))
            }
            _ => None,
        }
    }
}

fn is_not_applied(problem: Option<&Problem>) -> bool {
    problem.is_some_and(|problem| problem.outcome == Some(read::Outcome::NotApplied))
}

fn refused(problem: Option<Problem>) -> Error {
    let message = problem.and_then(|problem| problem.upstream_message);
    Error::Refused { message: message.as_deref().map(UpstreamMessage::new) }
}

/// What the system says of the first fault, without what could be personal data.
fn unsendable(problem: Option<Problem>) -> Error {
    let fault = problem.and_then(|problem| problem.first_fault);
    let detail = fault.as_deref().map(UpstreamMessage::new).and_then(|fault| fault.to_display());
    Error::UnencodableInput { detail: detail.unwrap_or_else(|| "is not valid for the system".to_owned()) }
}

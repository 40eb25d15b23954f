//! What calls return besides their value: when a write was sent, and what the upstream's clock said.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Error;
use crate::model::{LocalTime, now};
use crate::resilience::Reserved;

/// An entity as it was read, and the upstream's clock at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<T> {
    /// The entity.
    pub value: Reserved<T>,
    /// How far the upstream's clock is ahead of ours, if its answer said.
    pub clock_skew: Option<SignedDuration>,
}

/// When a write was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// For measuring elapsed time.
    pub at: Instant,
    /// What our wall clock showed.
    pub on: Timestamp,
}

impl Sent {
    /// A write that is being sent now.
    #[must_use]
    pub fn now() -> Self {
        Self { at: Instant::now(), on: now() }
    }
}

/// A write that the upstream confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// When it was sent.
    pub sent: Sent,
    /// The time stamp of its log entry, if the upstream returned it.
    pub logged_at: Option<LocalTime>,
}

/// A write that the upstream did not confirm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the write was not confirmed")]
pub struct WriteError {
    /// Why.
    pub source: Error,
    /// When it was sent; `None` if it provably never left.
    pub sent: Option<Sent>,
}

/// The result of a write.
pub type WriteResult = std::result::Result<Receipt, WriteError>;

/// A write that failed before it was sent.
impl From<Error> for WriteError {
    fn from(source: Error) -> Self {
        Self { source, sent: None }
    }
}

//! What every call passes before it is sent.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, Permission};
use super::limit::{Limit, Permit};

/// A limit and a breaker.
#[derive(Debug)]
pub struct Gate {
    limit: Limit,
    breaker: Breaker,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It looks.
    Read,
    /// It changes something.
    Write,
}

/// Why a call was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There was no place in time.
    Busy,
    /// The breaker is open; the time after which to come back.
    Open(Duration),
}

/// A call that was let through, until it has ended.
#[derive(Debug)]
pub struct Passage {
    permit: Permit,
    permission: Option<Permission>,
}

impl Gate {
    /// Calls wait for a place in `limit` and then ask `breaker`.
    #[must_use]
    pub const fn new(limit: Limit, breaker: Breaker) -> Self {
        Self { limit, breaker }
    }

    /// Lets a call through that must end before the deadline.
    ///
    /// # Errors
    /// When it is not let through.
    pub async fn pass(&self, what: Use, deadline: Instant) -> Result<Passage, Refusal> {
        let is_read = what == Use::Read;
        let permit = self.limit.place(is_read, deadline).await.ok_or(Refusal::Busy)?;
        let permission = self.breaker.admit(is_read).map_err(Refusal::Open)?;
        Ok(Passage { permit, permission: Some(permission) })
    }
}

impl Passage {
    /// Tells how the call went as far as the one who was called is to blame. The place is kept until this goes.
    pub fn ended(&mut self, well: bool) {
        self.permit.ended();
        self.judged(well);
    }

    /// The same for a call that goes on, and whose length says nothing about others.
    pub fn judged(&mut self, well: bool) {
        if let Some(permission) = self.permission.take() {
            permission.ended(well);
        }
    }
}

//! How calls of something that may fail are let through: pure parts that know nothing of orders or of HTTP.
//!
//! A call first gets a place in the [`Limit`], then the [`Breaker`]'s permission; [`Gate`] is both in this order, so that a caller
//! that waited for a place is told how things are *then*. What may be sent again waits for [`backoff`] and is paid for from
//! the [`Budget`]. [`Turns`] lets callers do one thing at a time, [`Rate`] holds each to so many requests a second.

pub mod backoff;
mod breaker;
mod budget;
mod gate;
mod limit;
mod rate;
mod turns;

pub use breaker::{Breaker, BreakerSettings, State};
pub use budget::Budget;
pub use gate::{Ending, Gate, Passage, Refusal, Use};
pub use limit::{Limit, Permit};
pub use rate::Rate;
pub use turns::{Turn, Turns};

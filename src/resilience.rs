//! How calls of something that may fail are let through: pure parts that know nothing of orders or of HTTP.
//!
//! A call first gets a place in the [`Limit`], then the [`Breaker`]'s permission; [`Gate`] is both in this order, so that a caller
//! that waited for a place is told how things are *then*. What may be sent again waits for [`backoff`] and is paid for from
//! the [`Budget`]. [`Turns`] lets callers do one thing at a time, [`Rate`] holds each to so many requests a second.

mod admission;
pub mod backoff;
mod circuit_breaker;
mod concurrency_limit;
mod keyed_lock;
mod rate_limit;
mod retry_budget;

pub use admission::{Admission, Outcome, Permit, Rejected};
pub use circuit_breaker::{BreakerSettings, BreakerState, CircuitBreaker};
pub use concurrency_limit::{ConcurrencyLimit, ConcurrencyPermit, Priority};
pub use keyed_lock::{KeyedGuard, KeyedRwLock};
pub use rate_limit::RateLimit;
pub use retry_budget::RetryBudget;

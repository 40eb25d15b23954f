//! Resilience patterns for calls of a remote system. Nothing here knows of orders or of HTTP.
//!
//! [`Admission`] lets a call through: first a permit of the [`ConcurrencyLimit`], then the consent of the [`CircuitBreaker`].
//! In this order a call that has waited for a permit is judged by the breaker's state at the time it would be sent. A retry
//! waits for [`backoff`] and is paid for from the [`RetryBudget`].
//!
//! [`ByteBudget`] bounds the memory that is held at once. [`RateLimit`] bounds the requests per second of each client; [`KeyedRwLock`] serialises what must not run at the same time.

mod admission;
pub mod backoff;
mod byte_budget;
mod circuit_breaker;
mod concurrency_limit;
mod keyed_lock;
mod rate_limit;
mod retry_budget;

pub use admission::{Admission, Outcome, Permit, Rejected};
pub use byte_budget::{ByteBudget, Exhausted, Reservation, Reserved, Share};
pub use circuit_breaker::{BreakerSettings, BreakerState, CircuitBreaker};
pub use concurrency_limit::{ConcurrencyLimit, ConcurrencyPermit, Priority};
pub use keyed_lock::{KeyedGuard, KeyedRwLock};
pub use rate_limit::RateLimit;
pub use retry_budget::RetryBudget;

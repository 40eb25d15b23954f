//! Idempotent messages: the client's key, the marker that stands for it in an order's log, and the secret it is signed with.
//!
//! The order's log is the only durable state that all replicas share, so it is the idempotency store.

mod key;
mod marker;
mod signer;

pub use key::{IdempotencyKey, InvalidKey};
pub use marker::{IdempotencyMarker, fold};
pub use signer::{KeyScope, LogMatch, MarkerSigner};

//! The REST protocol: JSON over HTTP, described by an OpenAPI document that is generated from this code.
//!
//! Every handler has three steps. *Extract*: path, query, headers and body are parsed into types that cannot be invalid
//! ([`extract`]), or rejected with a problem that names every fault; until then the upstream is not called. *Call*: the handler
//! reads from the [`Backend`](crate::backend::Backend) or writes through the
//! [`WriteCoordinator`](crate::writes::WriteCoordinator). *Respond*: the model is encoded as JSON ([`dto`]), lists item by item
//! as they arrive ([`list`]), so that no list is held in memory.
//!
//! The other way round, [`client`] calls a system that speaks this protocol, and [`read`] reads what [`dto`] describes.
//!
//! Every error is a [`Problem`](crate::problem::Problem), including rejections of the framework and panics. [`error_mapping`]
//! decides what a client may read of an upstream error: of the upstream's own text only the redacted message of a refusal.

pub mod client;
mod conditional;
mod docs;
mod dto;
mod error_mapping;
mod etag;
mod extract;
mod json;
pub mod list;
mod read;
mod require_scope;
mod router;
mod routes;
mod state;

pub mod openapi;

pub use docs::is_public;
pub use router::{method_not_allowed, router};
pub use state::{AppState, Timeouts, UpstreamHandle};

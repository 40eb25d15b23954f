//! The REST protocol: JSON over HTTP as the web knows it, described by an OpenAPI document made from this code.
//!
//! A request passes the same stations on every route. *Parse at the edge*: path, query, headers and body become types that
//! cannot be wrong ([`extract`]), or a problem that names what is; until then nothing is asked of the backend. *Ask*: one
//! call of the [`Backend`](crate::backend::Backend), a second only to explain a refused write. *Answer*: the model becomes
//! JSON ([`wire`]); lists are written item by item as they come ([`list`]), so that no list is ever held.
//!
//! Everything that goes wrong is a [`Problem`](crate::problem::Problem) and becomes a response in one place, framework rejections and
//! panics included. What a client may read of it is chosen there; nothing that the order system said gets through but its
//! own sentence in a refusal it stated.

mod conditional;
mod docs;
mod dto;
mod error_mapping;
mod etag;
mod extract;
mod json;
pub mod list;
mod require_scope;
mod router;
mod routes;
mod state;

pub mod openapi;

pub use docs::is_public;
pub use router::router;
pub use state::{AppState, Timeouts, UpstreamHandle};

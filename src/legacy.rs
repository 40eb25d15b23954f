//! The legacy protocol: query strings in, XML out, all of it over GET.
//!
//! Nothing outside this module knows a legacy word. [`client::Client`] makes a [`Backend`](crate::backend::Backend) of an
//! order system that speaks the protocol; [`server`] lets programs that speak it use any backend. Both use the same
//! wire formats, which hold both directions of a method side by side.
//!
//! Three things are settled here and nowhere else. *What was asked*: the call table says which calls write, because the
//! verb does not. *What was answered*: success is recognised positively, everything else is a failure, and a write is
//! confirmed, refused or open, never assumed. *What it meant*: values that cannot be read are left out and counted by the
//! name of their element; words that nobody knows are passed on.

mod attempt;
mod call_auth;
mod codec;
mod decode_settings;
mod field_reader;
mod item_stream;
mod methods;
mod query;
mod resilient_transport;
mod response_parser;
mod session;
mod transport;
mod xml;

pub mod client;
pub mod offline_decoder;
pub mod schema_drift;
pub mod server;

//! The legacy protocol: query strings in, XML out, every call an HTTP GET.
//!
//! Nothing outside this module knows a legacy name. [`client::Client`] is the [`Backend`](crate::backend::Backend) for an
//! upstream that speaks the protocol; [`server`] serves the protocol over any backend. Both use the same codecs, one file per
//! legacy method, with both directions side by side.
//!
//! Three questions are answered here and nowhere else:
//!
//! - *Does a call write?* The method table decides, because the HTTP verb does not.
//! - *What is the outcome?* Success is recognised positively and everything else is a failure. A write is confirmed, refused or
//!   of unknown outcome, never assumed to have succeeded.
//! - *What does an answer mean?* Unreadable values are omitted and counted as schema drift, by element name. Unknown enum
//!   values are passed on.

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
mod time_format;
mod transport;
mod xml;

pub mod client;
pub mod offline_decoder;
pub mod raw_reads;
pub mod schema_drift;
pub mod server;

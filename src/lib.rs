//! A bidirectional gateway between JSON over HTTP and the legacy order API of Tjänsteguiden.
//!
//! ```text
//!               front ends                   port                    backends
//! JSON clients ──► rest::router ──┐                       ┌──► legacy::client ──► order system (XML)
//!                                 ├──► trait Backend ─────┤
//! legacy clients ─► legacy::server┘                       └──► memory         (for demonstrations and tests)
//! ```
//!
//! Any front end runs over any backend: the *gateway* is REST over a legacy client, the *simulator* is the legacy endpoint
//! over memory, and the *demo* is the one in front of the other with a real socket between them. [`model`] is the vocabulary
//! that both protocols translate to. Dependencies point one way: `main → commands → {rest, legacy, memory, ops} →
//! {writes, outbound, config, backend} → {resilience, metrics, model, tls}`; [`rest`] never sees XML, [`legacy`] never sees JSON.
//!
//! # One request, walked through
//!
//! `GET /orders/20417` arrives at a connection of [`server`]. [`middleware`] gives it an id and a deadline, [`access`] tells
//! who asks, and the router hands it to `rest/routes/get_order.rs`. The handler's arguments are its gatekeepers: the path must hold an id that an
//! order can have, the query must be empty, the client must take JSON. Then the handler asks the [`backend`] for
//! `order_info`. [`legacy::client`] writes the query string, sends it, and reads the XML as it arrives: `legacy/answer.rs`
//! recognises what was answered, `legacy/wire/order_info.rs` makes an order of it. The handler turns that into JSON
//! (`rest/wire/order.rs`) with a tag, or the error into a problem (`rest/problem.rs`), whose body the middleware writes when it gives
//! the response its request id. When the last byte is out, one line stands in the log.
//!
//! A write takes another way: [`writes`] sends it once, finishes it whoever leaves, and looks at the order when its answer told
//! nothing. Every call of the order system passes [`resilience`]'s gate, in `legacy/caller.rs`.

pub mod audit;
pub mod auth;
pub mod backend;
pub mod charset;
pub mod commands;
pub mod config;
pub mod http_client;
pub mod legacy;
pub mod memory;
pub mod metrics;
pub mod middleware;
pub mod model;
pub mod ops;
pub mod resilience;
pub mod rest;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod writes;

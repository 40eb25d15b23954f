//! Tests through the front door: a gateway on a real socket, in front of an order system that speaks real XML.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]
#![expect(clippy::disallowed_methods, reason = "tests are HTTP clients of the gateway and read their own environment")]

mod answers;
mod api_guide;
mod api_keys;
mod architecture;
mod audit;
mod bad_input;
mod coalescing;
mod compression;
mod conditional_requests;
mod config;
mod cors_and_security_headers;
mod documents;
mod drift;
mod end_to_end_workflow;
mod http;
mod idempotency_keys;
mod idempotency_markers;
mod in_doubt_writes;
mod jwt;
mod lists;
mod masking;
mod multiple_upstreams;
mod openapi;
mod outage;
mod outbound_proxy;
mod pages;
mod panics;
mod pii_leakage;
mod process;
mod provider_dialect;
mod response_corpus;
mod restarts;
mod retries_and_breaker;
mod routes;
mod send_deadline_and_clock_skew;
mod server;
mod simulator;
mod soak;
mod support;
mod tls;
mod tls_reload;
mod upstream_connections;
mod write_verification;
mod writes;

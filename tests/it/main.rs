//! Integration tests over real sockets: a gateway in front of an upstream that speaks the legacy protocol.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]
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
mod connections;
mod cors_and_security_headers;
mod documents;
mod drift;
mod end_to_end_workflow;
mod http;
mod issuers;
mod jwt;
mod lists;
mod masking;
mod me;
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
mod server;
mod simulator;
mod soak;
mod stripping_proxy;
mod support;
mod tls;
mod tls_reload;
mod upstream_connections;
mod writes;
